/**
 * Everything that is too much, malformed or meant to mislead: the status and code that is promised, nothing changed, the
 * process alive, and other clients undisturbed.
 */

import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import type { LocalInstance } from '../../src/testing.ts';
import { exchange, textOf } from '../fixtures/http-exchange.ts';
import { fuzz } from '../fixtures/fuzz.ts';
import { define, scriptedTarget, withGateway } from '../fixtures/instance.ts';
import type { RawAnswer } from '../fixtures/raw-http.ts';
import { parseAnswers, rawConnection, rawRequest, sendRaw } from '../fixtures/raw-http.ts';
import { WireClient } from '../fixtures/wire-client.ts';

type Json = Record<string, unknown>;

const MIB = 1_048_576;
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

const gate = () => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};

/** Echoes its arguments; `wait` answers when the gate opens. */
const docs = (wait: Promise<void> = Promise.resolve()) =>
  scriptedTarget(
    'docs',
    ['echo', 'wait'].map((name) => define('tool', { name, inputSchema: { type: 'object' } })),
    async (call) => {
      if (call.name === 'wait') await wait;
      const args = call.params.find((member) => member.key === 'arguments')?.text ?? '{}';
      return `{"content":[],"structuredContent":${args}}`;
    },
  );

const client = (gateway: LocalInstance): WireClient =>
  new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });

/** Somebody else calls at the same time, and afterwards: the promise of every test here. */
async function expectUndisturbed(gateway: LocalInstance): Promise<void> {
  const reply = await client(gateway).request('tools/call', { name: 'docs___echo', arguments: { still: 'here' } });
  expect(reply.result?.['structuredContent']).toEqual({ still: 'here' });
}

function headersOf(gateway: LocalInstance, ...more: string[]): string[] {
  return [
    `Host: ${new URL(gateway.url).host}`,
    `Authorization: Bearer ${gateway.token}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    ...more,
  ];
}

const modernHeaders = (name: string): string[] => [
  'MCP-Protocol-Version: 2026-07-28',
  'Mcp-Method: tools/call',
  `Mcp-Name: ${name}`,
];

const echoBody = (args = '{}', name = 'docs___echo'): string =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}","arguments":${args},"_meta":${JSON.stringify(META)}}}`;

/** One modern call with raw bytes as its body. */
async function rawCall(gateway: LocalInstance, body: string | Buffer, ...more: string[]): Promise<RawAnswer> {
  const headers = headersOf(gateway, ...modernHeaders('docs___echo'), ...more);
  const [answer] = parseAnswers(await sendRaw(gateway.url, rawRequest('POST', '/mcp', headers, body)));
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

const codeOf = (answer: { body: string }): unknown =>
  (JSON.parse(answer.body) as { error?: { code?: number } }).error?.code;

const seen = (answer: RawAnswer): [number, unknown] => [answer.status, codeOf(answer)];

test('a body over 4 MiB is refused, whether it says so or not', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const large = echoBody(JSON.stringify({ text: 'x'.repeat(4 * MIB) }));
    expect(seen(await rawCall(gateway, large))).toEqual([413, -32600]);
    const chunk = Buffer.from(`${MIB.toString(16)}\r\n${' '.repeat(MIB)}\r\n`);
    const body = Buffer.concat([chunk, chunk, chunk, chunk, chunk, Buffer.from('0\r\n\r\n')]);
    expect(seen(await rawCall(gateway, body, 'Transfer-Encoding: chunked'))).toEqual([413, -32600]);
    const overhead = echoBody(JSON.stringify({ text: '' })).length;
    const exact = echoBody(JSON.stringify({ text: 'x'.repeat(4 * MIB - overhead) }));
    expect(exact).toHaveLength(4 * MIB);
    expect((await rawCall(gateway, exact)).status).toBe(200);
    await expectUndisturbed(gateway);
  }));

test.each([
  ['says so', `Content-Length: ${20 * MIB}`, (body: Buffer) => body],
  [
    'does not say so',
    'Transfer-Encoding: chunked',
    (body: Buffer) =>
      Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]),
  ],
])(
  'a client that sends everything before it reads gets its answer when its body is too large and %s',
  (_, line, frame) =>
    withGateway({ targets: [docs()] }, async (gateway) => {
      const { socket, received } = rawConnection(gateway.url);
      socket.pause();
      const head = (...lines: string[]): string =>
        `POST /mcp HTTP/1.1\r\n${headersOf(gateway, ...modernHeaders('docs___echo'), ...lines).join('\r\n')}\r\n\r\n`;
      const bytes = Buffer.concat([Buffer.from(head(line)), frame(Buffer.alloc(20 * MIB, ' '))]);
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject);
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
      socket.resume();
      await expect.poll(() => received().includes('-32600')).toBe(true);
      // The rest of the body was no request, and the connection is as good as new.
      socket.write(head(`Content-Length: ${echoBody().length}`) + echoBody());
      await expect.poll(() => received().includes('"resultType"')).toBe(true);
      expect(parseAnswers(received()).map((answer) => answer.status)).toEqual([413, 200]);
      socket.destroy();
    }),
);

test('size and form are checked after authentication', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const headers = headersOf(gateway).filter((line) => !line.startsWith('Authorization'));
    for (const body of [`"${'x'.repeat(5 * MIB)}"`, '{"broken":']) {
      const bytes = await sendRaw(gateway.url, rawRequest('POST', '/mcp', headers, body));
      expect(parseAnswers(bytes)[0]?.status).toBe(401);
    }
    await expectUndisturbed(gateway);
  }));

test('headers over 16 KiB are refused', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    expect(seen(await rawCall(gateway, echoBody(), `X-Large: ${'x'.repeat(17_000)}`))).toEqual([431, -32600]);
    const many = Array.from({ length: 3_000 }, (_, index) => `X-${index}: 1`);
    expect(seen(await rawCall(gateway, echoBody(), ...many))).toEqual([431, -32600]);
    await expectUndisturbed(gateway);
  }));

test('a second Authorization behind thousands of small headers is still seen', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const many = Array.from({ length: 2_100 }, () => 'a:');
    const answer = await rawCall(gateway, echoBody(), ...many, 'Authorization: Bearer other');
    expect(seen(answer)).toEqual([400, -32600]);
    await expectUndisturbed(gateway);
  }));

const nested = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth);

test.each([
  ['depth 65', () => echoBody(`{"a":${nested(62)}}`), 400, -32600],
  ['depth 64', () => echoBody(`{"a":${nested(61)}}`), 200, undefined],
  ['depth 100,000', () => echoBody(`{"a":${nested(100_000)}}`), 400, -32600],
  ['depth 100,000, never closed', () => '{"a":'.repeat(100_000), 400, -32600],
  ['objects of depth 65', () => echoBody(`{"a":${'{"a":'.repeat(62)}1${'}'.repeat(62)}}`), 400, -32600],
  ['a duplicate key outside', () => echoBody().replace('"id":1', '"id":1,"id":2'), 400, -32600],
  ['a duplicate name', () => echoBody().replace('"name"', '"name":"other","name"'), 400, -32600],
  ['a duplicate key deep in the arguments', () => echoBody('{"a":[{"b":1,"b":1}]}'), 400, -32600],
  ['a duplicate key spelled with an escape', () => echoBody(String.raw`{"ab":1,"\u0061b":2}`), 400, -32600],
  ['a twice named __proto__', () => echoBody('{"__proto__":1,"__proto__":2}'), 400, -32600],
  [
    'bytes that are not UTF-8',
    () => Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    400,
    -32700,
  ],
  [
    'an overlong encoding',
    () => Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
    400,
    -32700,
  ],
  [
    'a surrogate in UTF-8',
    () => Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    400,
    -32700,
  ],
  ['UTF-16', () => Buffer.from(echoBody(), 'utf16le'), 400, -32700],
  ['no JSON', () => 'tools/call', 400, -32700],
  ['a batch with a tail', () => '[{"jsonrpc":"2.0","id":1,"method":"ping"}] tail', 400, -32700],
  ['a batch that ends early', () => '[{"jsonrpc":"2.0","id":1,"method":"ping"},', 400, -32700],
  [
    'a batch with an element that is no JSON',
    () => '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"a":tru}]',
    400,
    -32700,
  ],
  ['an id over 1 KiB', () => echoBody().replace('"id":1', `"id":"${'x'.repeat(1_025)}"`), 400, -32600],
  ['both method and result', () => echoBody().replace('"id":1', '"id":1,"result":{}'), 400, -32600],
] as [string, () => string | Buffer, number, number | undefined][])('%s', (_, body, status, code) =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    // Older clients send no header of the modern revision, and get the same answer.
    const answer = await rawCall(gateway, body());
    expect(seen(answer)).toEqual([status, code]);
    await expectUndisturbed(gateway);
  }),
);

const legacyPost = async (gateway: LocalInstance, body: string): Promise<RawAnswer> => {
  const [answer] = parseAnswers(await sendRaw(gateway.url, rawRequest('POST', '/mcp', headersOf(gateway), body)));
  if (answer === undefined) throw new Error('no answer');
  return answer;
};

const ping = (id: number): string => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;

test('a batch has at most 100 messages, and thousands are refused without being run', () => {
  let calls = 0;
  const target = scriptedTarget('docs', [define('tool', { name: 'echo', inputSchema: { type: 'object' } })], (call) => {
    calls++;
    return `{"content":[],"structuredContent":${JSON.stringify(call.parsed['arguments'])}}`;
  });
  return withGateway({ targets: [target] }, async (gateway) => {
    const batch = (count: number): string => `[${Array.from({ length: count }, (_, id) => ping(id)).join(',')}]`;
    const full = await legacyPost(gateway, batch(100));
    expect(full.status).toBe(200);
    expect(new Set((JSON.parse(full.body) as Json[]).map((message) => message['id'])).size).toBe(100);
    expect(seen(await legacyPost(gateway, batch(101)))).toEqual([400, -32600]);
    const call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"docs___echo"}}';
    expect(seen(await legacyPost(gateway, `[${Array(10_000).fill(call).join(',')}]`))).toEqual([400, -32600]);
    expect(calls).toBe(0);
    expect(seen(await legacyPost(gateway, '[]'))).toEqual([400, -32600]);
    await expectUndisturbed(gateway);
  });
});

test('a bad element of a batch gets its own error, the others their answers', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const noMethod = '{"jsonrpc":"2.0","id":7}';
    const notification = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
    const mixed = await legacyPost(gateway, `[1,${ping(2)},${noMethod},${notification},[],${ping(3)}]`);
    expect(mixed.status).toBe(200);
    const messages = JSON.parse(mixed.body) as { id: unknown; error?: { code: number } }[];
    const answers = messages.map(({ id, error }) => `${String(id)} ${error?.code ?? 'result'}`);
    expect(answers.toSorted()).toEqual(['2 result', '3 result', '7 -32600', 'null -32600', 'null -32600']);
    const hopeless = await legacyPost(gateway, '[1,2]');
    expect(hopeless.status).toBe(400);
    expect((JSON.parse(hopeless.body) as { error: { code: number } }[]).map(({ error }) => error.code)).toEqual([
      -32600, -32600,
    ]);
    await expectUndisturbed(gateway);
  }));

test('a batch with a modern message or a handshake is refused whole', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    expect(seen(await legacyPost(gateway, `[${ping(1)},${echoBody()}]`))).toEqual([400, -32600]);
    const handshake = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}';
    expect(seen(await legacyPost(gateway, `[${handshake}]`))).toEqual([400, -32600]);
  }));

const QUICK = { headersMs: 300, requestMs: 300, checkEveryMs: 50 };

test('a body that does not arrive in time is answered 408, and the connection ends', () =>
  withGateway({ targets: [docs()], timeouts: QUICK }, async (gateway) => {
    const connection = rawConnection(gateway.url);
    const head = headersOf(gateway, ...modernHeaders('docs___echo'), 'Content-Length: 100').join('\r\n');
    connection.socket.write(`POST /mcp HTTP/1.1\r\n${head}\r\n\r\n{"jsonrpc"`);
    const [answer] = parseAnswers(await connection.ended());
    expect(answer && seen(answer)).toEqual([408, -32600]);
    expect(answer?.headers['connection']).toBe('close');
    await expectUndisturbed(gateway);
  }));

test('headers that trickle in are answered 408', () =>
  withGateway({ targets: [docs()], timeouts: QUICK }, async (gateway) => {
    const connection = rawConnection(gateway.url);
    connection.socket.write(`POST /mcp HTTP/1.1\r\nHost: ${new URL(gateway.url).host}\r\n`);
    const drip = setInterval(() => connection.socket.write('X-A: b\r\n'), 40);
    const bytes = await connection.ended();
    clearInterval(drip);
    expect(parseAnswers(bytes).map((answer) => answer.status)).toEqual([408]);
    await expectUndisturbed(gateway);
  }));

test('clients that hang halfway through a body do not delay others', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const head = headersOf(gateway, ...modernHeaders('docs___echo'), 'Content-Length: 100').join('\r\n');
    const hanging = Array.from({ length: 50 }, () => {
      const connection = rawConnection(gateway.url);
      connection.socket.write(`POST /mcp HTTP/1.1\r\n${head}\r\n\r\n{`);
      return connection;
    });
    await expectUndisturbed(gateway);
    for (const { socket } of hanging) socket.destroy();
    await expectUndisturbed(gateway);
  }));

test('over the cap of one caller 429, over the cap of all 503, both with Retry-After', async () => {
  for (const [limits, status, code] of [
    [{ inFlightPerPrincipal: 2 }, 429, 429],
    [{ inFlight: 2 }, 503, 503],
  ] as const) {
    const { open, opened } = gate();
    await withGateway({ targets: [docs(opened)], config: { limits } }, async (gateway) => {
      const waiting = [1, 2].map(() => client(gateway).request('tools/call', { name: 'docs___wait' }));
      await expect.poll(async () => (await client(gateway).request('ping')).status).toBe(status);
      const refused = await client(gateway).request('tools/call', { name: 'docs___echo' });
      expect(refused).toMatchObject({ status, error: { code } });
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      open();
      for (const reply of await Promise.all(waiting)) expect(reply.status).toBe(200);
      await expectUndisturbed(gateway);
    });
  }
});

test('calls that are answered on a stream count as in flight until they end', () => {
  const { open, opened } = gate();
  return withGateway({ targets: [docs(opened)], config: { limits: { inFlightPerPrincipal: 2 } } }, async (gateway) => {
    const streaming = { headers: { accept: 'text/event-stream' } };
    const waiting = [1, 2].map(() => client(gateway).request('tools/call', { name: 'docs___wait' }, streaming));
    await expect.poll(async () => (await client(gateway).request('ping')).status).toBe(429);
    open();
    await Promise.all(waiting);
    await expectUndisturbed(gateway);
  });
});

test.each([
  'Host: localhost',
  'Authorization: Bearer x',
  'Mcp-Name: docs___echo',
  'Mcp-Method: tools/call',
  'MCP-Protocol-Version: 2026-07-28',
  'mcp-param-x: 1\r\nMcp-Param-X: 1',
  'Mcp-Session-Id: a\r\nmcp-session-id: a',
])('a header that decides is refused when it comes twice: %j', (line) =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    expect(seen(await rawCall(gateway, echoBody(), ...line.split('\r\n')))).toEqual([400, -32600]);
    await expectUndisturbed(gateway);
  }),
);

test('an absent and an empty Host are refused in our words', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    for (const host of [[], ['Host:'], ['Host: ']]) {
      const headers = [...host, ...headersOf(gateway, ...modernHeaders('docs___echo')).slice(1)];
      const [answer] = parseAnswers(await sendRaw(gateway.url, rawRequest('POST', '/mcp', headers, echoBody())));
      expect(answer && seen(answer)).toEqual([403, -32600]);
    }
    await expectUndisturbed(gateway);
  }));

test('a request that names the whole URL is served as one that names the path, and its host is checked', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const ask = async (target: string): Promise<unknown> => {
      const headers = headersOf(gateway, ...modernHeaders('docs___echo'));
      const [answer] = parseAnswers(await sendRaw(gateway.url, rawRequest('POST', target, headers, echoBody())));
      return answer?.status;
    };
    expect(await ask(`${gateway.url}/mcp`)).toBe(200);
    expect(await ask(`${gateway.url}/mcp?x=1`)).toBe(200);
    expect(await ask(`${gateway.url}/nothing`)).toBe(404);
    expect(await ask('http://evil.example/mcp')).toBe(403);
    expect(await ask('http://127.0.0.1@evil.example/mcp')).toBe(403);
    await expectUndisturbed(gateway);
  }));

test.each([
  ['both lengths', ['Content-Length: 4', 'Transfer-Encoding: chunked'], '0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n'],
  ['two lengths', ['Content-Length: 0', 'Content-Length: 44'], 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a length list', ['Content-Length: 0, 44'], 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a signed length', ['Content-Length: +0'], 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a space before the colon', ['Content-Length : 44'], 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['chunked twice', ['Transfer-Encoding: chunked, chunked'], '0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n'],
  ['chunked not last', ['Transfer-Encoding: chunked, identity'], '0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n'],
  ['a chunk size with a sign', ['Transfer-Encoding: chunked'], '-1\r\n\r\n0\r\n\r\n'],
  ['a folded header', ['X-A: b\r\n c: d', 'Content-Length: 0'], ''],
  ['a bare CR in a header', ['X-A: b\rX-C: d', 'Content-Length: 0'], ''],
  ['a NUL in a header', ['X-A: b\0c', 'Content-Length: 0'], ''],
  ['a bare LF between headers', ['X-A: b\nAuthorization: Bearer other', 'Content-Length: 0'], ''],
])('a request that could mean two things is refused and its connection closed: %s', (_, lines, body) =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const head = ['POST /mcp HTTP/1.1', ...headersOf(gateway, ...lines), '', ''].join('\r\n');
    const answers = parseAnswers(await sendRaw(gateway.url, head + body));
    expect(answers.map((answer) => answer.status)).toEqual([400]);
    await expectUndisturbed(gateway);
  }),
);

test('garbage behind a request on a stream ends the connection and adds nothing to the stream', () => {
  const { open, opened } = gate();
  return withGateway({ targets: [docs(opened)] }, async (gateway) => {
    const connection = rawConnection(gateway.url);
    const accept = headersOf(gateway, ...modernHeaders('docs___wait')).map((line) =>
      line.startsWith('Accept') ? 'Accept: text/event-stream' : line,
    );
    const bytes = rawRequest('POST', '/mcp', accept, echoBody('{}', 'docs___wait'));
    connection.socket.write(bytes.toString('latin1').replace('Connection: close\r\n', ''));
    await expect.poll(() => connection.received().includes('text/event-stream')).toBe(true);
    connection.socket.write('GARBAGE\0\r\n\r\n');
    const received = (await connection.ended()).toString('latin1');
    expect(received.match(/HTTP\/1\.1/g)).toHaveLength(1);
    open();
    await expectUndisturbed(gateway);
  });
});

test('headers named like parts of every object are ordinary headers', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const odd = ['__proto__: x', 'constructor: x', 'toString: x', 'hasOwnProperty: x', 'Expect: 200-maybe'];
    expect((await rawCall(gateway, echoBody(), ...odd)).status).toBe(200);
    await expectUndisturbed(gateway);
  }));

test('line breaks in names and values never reach a header or another event', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const name = 'docs___echo\r\nX-Injected: 1\r\n\r\nevent: message\ndata: {}';
    const reply = await client(gateway).request('tools/call', { name }, { headers: { accept: 'text/event-stream' } });
    expect(reply.error?.code).toBe(-32602);
    expect(reply.headers['x-injected']).toBeUndefined();
    expect(reply.messages).toHaveLength(1);
    for (const path of ['/mcp/a%0d%0aX-Injected:%201', '/%0d%0aX-Injected:1/sse', '/nothing%0d%0a'])
      for (const method of ['GET', 'POST']) {
        const bytes = await sendRaw(gateway.url, rawRequest(method, path, headersOf(gateway), ''), 300);
        expect(parseAnswers(bytes)[0]?.headers['x-injected']).toBeUndefined();
      }
    await expectUndisturbed(gateway);
  }));

test.each(['/message?sessionId=x', '/register'])('%s takes only plain UTF-8', (path) =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    for (const line of ['Content-Encoding: gzip', 'Content-Type: application/json; charset=utf-16']) {
      const headers = [...headersOf(gateway).filter((given) => !line.startsWith(given.slice(0, 13))), line];
      const [answer] = parseAnswers(await sendRaw(gateway.url, rawRequest('POST', path, headers, '{}')));
      expect(answer?.status, line).toBe(415);
      expect(answer?.headers['content-type']).toBe('application/problem+json');
    }
  }),
);

test('__proto__ is an ordinary key from the client to the target and back, in every era', () => {
  const seenBy: string[] = [];
  const target = scriptedTarget('docs', [define('tool', { name: 'echo', inputSchema: { type: 'object' } })], (call) => {
    const args = call.params.find((member) => member.key === 'arguments')?.text ?? '';
    seenBy.push(args, String(Object.hasOwn(call.parsed['arguments'] as object, '__proto__')));
    return `{"content":[],"structuredContent":${args},"__proto__":${args},"_meta":{"__proto__":1,"io.modelcontextprotocol/x":1}}`;
  });
  return withGateway({ targets: [target] }, async (gateway) => {
    const args = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}';
    const modern = await rawCall(gateway, echoBody(args));
    const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"docs___echo","arguments":${args}}}`;
    const legacy = await legacyPost(gateway, call);
    for (const { body } of [modern, legacy]) {
      expect(body).toContain(`"structuredContent":${args}`);
      expect(body).toContain(`"__proto__":${args}`);
      expect(body).toContain('"__proto__":1');
    }
    expect(seenBy).toEqual([args, 'true', args, 'true']);
    expect(({} as Json)['admin']).toBeUndefined();
    await expectUndisturbedTools(gateway);
  });
});

async function expectUndisturbedTools(gateway: LocalInstance): Promise<void> {
  expect((await client(gateway).request('tools/list')).status).toBe(200);
}

test('names of prototype members are unknown names, as tool, prompt, resource, target and method', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    for (const name of ['__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty']) {
      const wire = client(gateway);
      for (const [method, params] of [
        ['tools/call', { name }],
        ['prompts/get', { name }],
        ['resources/read', { uri: name }],
        ['completion/complete', { ref: { type: 'ref/prompt', name }, argument: { name: 'a', value: '' } }],
      ] as const)
        expect((await wire.request(method, params)).error?.code, `${method} ${name}`).toBe(-32602);
      const elsewhere = new WireClient({ url: `${gateway.mcp}/${name}`, era: 'modern', token: gateway.token });
      expect((await elsewhere.request('tools/list')).status).toBe(404);
    }
  }));

test('a list page ends at 1,000 tools, and the pages together are the list', () => {
  const tools = Array.from({ length: 2_500 }, (_, index) =>
    define('tool', { name: `t${index}`, inputSchema: { type: 'object' } }),
  );
  return withGateway({ targets: [scriptedTarget('docs', tools, () => '{}')] }, async (gateway) => {
    const { sizes, names } = await pages(gateway);
    expect(sizes).toEqual([1_000, 1_000, 500]);
    expect(new Set(names).size).toBe(2_500);
  });
});

test('a list page ends at 1 MiB', () => {
  const tools = Array.from({ length: 30 }, (_, index) =>
    define('tool', { name: `t${index}`, description: 'x'.repeat(100_000), inputSchema: { type: 'object' } }),
  );
  return withGateway({ targets: [scriptedTarget('docs', tools, () => '{}')] }, async (gateway) => {
    const { sizes, names, bytes } = await pages(gateway);
    expect(sizes).toEqual([10, 10, 10]);
    expect(Math.max(...bytes)).toBeLessThan(MIB + 4_096);
    expect(new Set(names).size).toBe(30);
  });
});

async function pages(gateway: LocalInstance) {
  const sizes: number[] = [];
  const bytes: number[] = [];
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const reply = await client(gateway).request('tools/list', cursor === undefined ? {} : { cursor });
    const tools = (reply.result?.['tools'] ?? []) as { name: string }[];
    sizes.push(tools.length);
    bytes.push(Buffer.byteLength(reply.text));
    names.push(...tools.map((tool) => tool.name));
    cursor = reply.result?.['nextCursor'] as string | undefined;
  } while (cursor !== undefined);
  return { sizes, bytes, names };
}

test.each([
  ['one before it is gone', (names: string[]) => names.filter((name) => name !== 't5'), 't1000'],
  ['the last one itself is gone', (names: string[]) => names.filter((name) => name !== 't999'), 't1000'],
  ['one is new at the front', (names: string[]) => ['new', ...names], 't1000'],
  ['nothing has changed', (names: string[]) => names, 't1000'],
  ['all behind it are gone', (names: string[]) => names.slice(0, 1_000), undefined],
])('a cursor of an older catalogue continues after its last key when %s', (_, change, first) => {
  const names = Array.from({ length: 1_500 }, (__, index) => `t${index}`);
  const tool = (name: string) => define('tool', { name, inputSchema: { type: 'object' } });
  const target = scriptedTarget('docs', names.map(tool), () => '{}');
  return withGateway({ targets: [target] }, async (gateway) => {
    const page = await client(gateway).request('tools/list');
    const cursor = page.result?.['nextCursor'];
    target.definitions = [...change(names), 'z-last'].map(tool);
    target.announce({ kind: 'tools' });
    await expect
      .poll(async () => ((await client(gateway).request('tools/call', { name: 'docs___z-last' })).result ? 1 : 0))
      .toBe(1);
    const next = await client(gateway).request('tools/list', { cursor });
    const listed = ((next.result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name);
    expect(listed[0]).toBe(`docs___${first ?? 'z-last'}`);
    expect(listed.at(-1)).toBe('docs___z-last');
  });
});

test('a cursor of another list or another endpoint is refused', () => {
  const tools = Array.from({ length: 1_200 }, (_, index) =>
    define('tool', { name: `t${index}`, inputSchema: { type: 'object' } }),
  );
  return withGateway({ targets: [scriptedTarget('docs', tools, () => '{}')] }, async (gateway) => {
    const cursor = String((await client(gateway).request('tools/list')).result?.['nextCursor']);
    const last = cursor.at(-2) === 'A' ? 'B' : 'A';
    const forged = `${cursor.slice(0, -2)}${last}${cursor.at(-1)}`;
    for (const wrong of [forged, cursor.slice(0, -4), `${cursor}AAAA`, 'x'.repeat(10_000), '\u2603'])
      expect((await client(gateway).request('tools/list', { cursor: wrong })).error?.code).toBe(-32602);
    expect((await client(gateway).request('prompts/list', { cursor })).error?.code).toBe(-32602);
    const direct = new WireClient({ url: `${gateway.mcp}/docs`, era: 'modern', token: gateway.token });
    expect((await direct.request('tools/list', { cursor })).error?.code).toBe(-32602);
    const older = new WireClient({ url: gateway.mcp, era: 'stateless', token: gateway.token });
    expect((await older.request('tools/list', { cursor: forged })).error?.code).toBe(-32602);
  });
});

const session = (gateway: LocalInstance, path = ''): Promise<WireClient> =>
  new WireClient({ url: gateway.mcp + path, era: 'session', token: gateway.token }).open();

test('a forged, an ended and another endpoint’s session are 404, on every method', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const ended = await session(gateway);
    const endedId = ended.sessionId ?? '';
    await ended.close();
    const direct = await session(gateway, '/docs');
    const forged = `${endedId.slice(0, -3)}AAA`;
    for (const id of [endedId, direct.sessionId ?? '', forged, 'x', '-'.repeat(9_000)]) {
      const headers = {
        authorization: `Bearer ${gateway.token}`,
        'mcp-session-id': id,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      };
      for (const method of ['POST', 'GET', 'DELETE']) {
        const body = method === 'POST' ? { body: ping(1) } : {};
        const answer = await exchange({ url: gateway.mcp, method, headers, ...body });
        expect([answer.status, codeOf({ body: await textOf(answer.body) })], `${method} ${id.slice(0, 20)}`).toEqual([
          404, -32600,
        ]);
      }
    }
    expect((await direct.request('ping')).status).toBe(200);
    await expectUndisturbed(gateway);
  }));

test('a legacy request without a session is served, and initialize ignores the session id it carries', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    expect((await legacyPost(gateway, ping(1))).status).toBe(200);
    const first = await session(gateway);
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };
    for (const id of [first.sessionId ?? '', 'forged']) {
      const again = await first.request('initialize', params, { headers: { 'mcp-session-id': id } });
      expect(again.status).toBe(200);
      expect(again.headers['mcp-session-id']).toBeTypeOf('string');
      expect(again.headers['mcp-session-id']).not.toBe(first.sessionId);
    }
    expect((await first.request('ping')).status, 'the old session lives on').toBe(200);
  }));

test('streams whose readers went away are let go', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    for (let round = 0; round < 150; round++) {
      const stream = await client(gateway).subscribe({ toolsListChanged: true });
      expect(stream.status).toBe(200);
      stream.stop();
    }
    await expect
      .poll(async () => {
        const stream = await client(gateway).subscribe({ toolsListChanged: true });
        stream.stop();
        return stream.status;
      })
      .toBe(200);
    await expectUndisturbed(gateway);
  }));

test('too many open streams are 429 with Retry-After, and calls go on', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const open = await Promise.all(
      Array.from({ length: 128 }, () => client(gateway).subscribe({ toolsListChanged: true })),
    );
    const refused = await client(gateway).request('subscriptions/listen', {
      notifications: { toolsListChanged: true },
    });
    expect(refused).toMatchObject({ status: 429, error: { code: 429 } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await expectUndisturbed(gateway);
    for (const stream of open) stream.stop();
  }));

test('two seconds of broken requests are answered as documented', () => {
  const timeouts = { headersMs: 300, requestMs: 300, checkEveryMs: 50 };
  return withGateway({ targets: [docs()], timeouts }, async (gateway) => {
    const seed = randomInt(2 ** 31);
    expect(await fuzz(gateway, { seconds: 2, seed }), `seed ${seed}`).toBeGreaterThan(50);
    await expectUndisturbed(gateway);
  });
});
