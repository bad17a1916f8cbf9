import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';

import type { PlatformError } from '../../core/errors.ts';
import type { Clock, EgressRequest } from '../../core/ports.ts';
import { isAllowedAddress, isPublicAddress, parseAllowList } from './egress-address.ts';
import { createEgress } from './egress.ts';
import type { EgressOptions, EmbeddedEgress } from './egress.ts';

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function egressFor(options: Partial<EgressOptions> = {}): EmbeddedEgress {
  const egress = createEgress({ clock, ...options });
  cleanups.push(() => egress.close());
  return egress;
}

async function listen(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanups.push(
    () =>
      new Promise((resolve) => {
        if ('closeAllConnections' in server) server.closeAllConnections();
        server.close(resolve);
      }),
  );
  return (server.address() as AddressInfo).port;
}

function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  return listen(createServer(handler));
}

/** A server that answers raw bytes. */
function serveRaw(answer: (socket: Socket) => void): Promise<number> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
    cleanups.push(() => socket.destroy());
  });
  return listen(server);
}

function get(url: string, extra: Partial<EgressRequest> = {}): EgressRequest {
  return { url, method: 'GET', headers: {}, origin: 'operator', timeoutMs: 2000, ...extra };
}

async function read(body: AsyncIterable<Uint8Array> | undefined): Promise<string> {
  const parts: Uint8Array[] = [];
  if (body !== undefined) for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

function failure(promise: Promise<unknown>): Promise<PlatformError> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as PlatformError,
  );
}

const FORMS = [
  'http://127.0.0.1',
  'http://127.1',
  'http://127.0.1',
  'http://2130706433',
  'http://0x7f000001',
  'http://0x7f.1',
  'http://0x7f.0x0.0x0.0x1',
  'http://017700000001',
  'http://0177.0.0.1',
  'http://0177.1',
  'http://00000177.0.0.0x1',
  'http://127.0.0.1.',
  'http://①②⑦.⓪.⓪.①',
  'http://127。0。0。1',
  'http://%31%32%37.0.0.1',
  'http://0',
  'http://0.0.0.0',
  'http://127.255.255.254',
  'http://10.1.2.3',
  'http://172.31.255.255',
  'http://192.168.0.1',
  'http://169.254.169.254/latest/meta-data',
  'http://2852039166',
  'http://168.63.129.16',
  'http://100.100.100.200',
  'http://192.0.0.192',
  'http://198.19.0.1',
  'http://224.0.0.1',
  'http://255.255.255.255',
  'http://[::1]',
  'http://[::]',
  'http://[0:0:0:0:0:0:0:1]',
  'http://[::ffff:127.0.0.1]',
  'http://[::ffff:7f00:1]',
  'http://[::127.0.0.1]',
  'http://[64:ff9b::7f00:1]',
  'http://[64:ff9b::8.8.8.8]',
  'http://[64:ff9b:1::1]',
  'http://[2002:7f00:1::]',
  'http://[2001:0:7f00:1::]',
  'http://[2001:db8::1]',
  'http://[fe80::1]',
  'http://[fc00::1]',
  'http://[fd00:ec2::254]',
  'http://[ff02::1]',
  'http://[100::1]',
  'http://[fec0::1]',
];

describe('a URL that came from a caller', () => {
  test.each(FORMS)('may not reach %s', async (url) => {
    const error = await failure(egressFor().request(get(url, { origin: 'caller' })));
    expect(error.code).toBe('EGRESS_REFUSED');
    expect((await failure(egressFor().requestText(get(url, { origin: 'caller' }), { maxBytes: 100 }))).code).toBe(
      'EGRESS_REFUSED',
    );
  });

  test.each(FORMS)('is refused before anything is asked where that is certain: %s', (url) => {
    const lookup = (): never => {
      throw new Error('asked');
    };
    const check = (): void => egressFor({ lookup }).checkCallerUrl(url);
    if (new URL(url).hostname === 'localhost') expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: 'EGRESS_REFUSED' }));
  });

  test.each(['https://8.8.8.8/', 'http://10.20.30.40/', 'http://inside.test/', 'http://[2606:4700::1111]:8080/x'])(
    'is not refused in advance when it may be reached: %s',
    (url) => {
      expect(() => egressFor({ allow: ['10.20.0.0/16'] }).checkCallerUrl(url)).not.toThrow();
    },
  );

  test('may not reach a name with any closed address, and nothing is connected to', async () => {
    let hits = 0;
    const port = await serve((_request, response) => {
      hits++;
      response.end('inside');
    });
    const lookup = async (): Promise<{ address: string; family: number }[]> => [
      { address: '93.184.215.14', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ];
    const error = await failure(egressFor({ lookup }).request(get(`http://public.test:${port}`, { origin: 'caller' })));
    expect(error).toMatchObject({ code: 'EGRESS_REFUSED', details: { host: 'public.test' } });
    expect(hits).toBe(0);
  });

  test('cannot be moved by a second answer of the name server', async () => {
    let hits = 0;
    const port = await serve((_request, response) => {
      hits++;
      response.end('inside');
    });
    let asked = 0;
    const answers = ['192.0.2.1', '127.0.0.1'];
    const lookup = async (): Promise<{ address: string; family: number }[]> => [
      { address: answers[asked++] ?? '127.0.0.1', family: 4 },
    ];
    const egress = egressFor({ lookup, allow: ['192.0.2.0/24'] });
    const request = get(`http://rebind.test:${port}`, { origin: 'caller', timeoutMs: 150 });
    // The checked address leads nowhere here; what matters is that the name is not asked again to connect.
    expect((await failure(egress.request(request))).code).toMatch(/TARGET_(TIMEOUT|UNAVAILABLE)/);
    expect(asked).toBe(1);
    expect((await failure(egress.request(request))).code).toBe('EGRESS_REFUSED');
    expect(hits).toBe(0);
  });

  test('never rides on a connection that the operator opened', async () => {
    const port = await serve((_request, response) => response.end('inside'));
    const lookup = async (): Promise<{ address: string; family: number }[]> => [{ address: '127.0.0.1', family: 4 }];
    const egress = egressFor({ lookup });
    expect((await egress.requestText(get(`http://shared.test:${port}`), { maxBytes: 100 })).text).toBe('inside');
    const error = await failure(egress.request(get(`http://shared.test:${port}`, { origin: 'caller' })));
    expect(error.code).toBe('EGRESS_REFUSED');
  });

  test.each([
    ['a network', ['127.0.0.0/8'], '127.0.0.1'],
    ['an address', ['127.0.0.1'], '127.0.0.1'],
    ['a host name', ['Inside.Test'], 'inside.test'],
    ['a name whose network is open', ['127.0.0.0/8'], 'inside.test'],
  ])('may reach what is allowed as %s', async (_name, allow, host) => {
    const port = await serve((_request, response) => response.end('yes'));
    const lookup = async (): Promise<{ address: string; family: number }[]> => [{ address: '127.0.0.1', family: 4 }];
    const egress = egressFor({ allow, lookup });
    expect(
      (await egress.requestText(get(`http://${host}:${port}`, { origin: 'caller' }), { maxBytes: 100 })).text,
    ).toBe('yes');
  });
});

describe('addresses', () => {
  test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450:4001::1'])(
    '%s is public',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  test.each(['', 'localhost', 'fe80::1%eth0', '2606:4700::1%eth0', '1.2.3'])('%j is not a public address', (text) => {
    expect(isPublicAddress(text)).toBe(false);
    expect(isAllowedAddress(text, parseAllowList(['::/0', '0.0.0.0/0']))).toBe(text.includes('%'));
  });

  test.each(['', '10.0.0.0/33', '10.0.0.0/x', 'http://a', 'a b', '*'])('%j is no entry of an allow list', (entry) => {
    expect(() => parseAllowList([entry])).toThrow(RangeError);
  });
});

describe('any URL', () => {
  test.each([
    ['another scheme', 'ftp://example.com', /scheme "ftp:"/],
    ['a file', 'file:///etc/passwd', /scheme "file:"/],
    ['credentials', 'http://user:pass@example.com', /credentials/],
    ['no scheme', 'example.com/x', /cannot be read/],
    ['no host', 'http://', /cannot be read/],
  ])('with %s is refused without a request', async (_name, url, message) => {
    const error = await failure(egressFor().request(get(url)));
    expect(error.code).toBe('EGRESS_REFUSED');
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('pass@');
  });

  test('that redirects is answered as it is', async () => {
    const port = await serve((_request, response) =>
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
    );
    const answer = await egressFor().requestText(get(`http://127.0.0.1:${port}`), { maxBytes: 100 });
    expect(answer.status).toBe(302);
    expect(answer.headers['location']).toBe('http://169.254.169.254/');
  });

  test('is sent its body, its own path and our headers, on one kept connection', async () => {
    const seen: unknown[] = [];
    const ports = new Set<number | undefined>();
    const port = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen.push([request.method, request.url, request.headers['x-a'], request.headers.host, body]);
        response.end('ok');
      });
    });
    const egress = egressFor();
    const request = get(`http://127.0.0.1:${port}/p?q=1`, { method: 'POST', headers: { 'X-A': 'b' }, body: 'é' });
    // A connection is free for the next request one turn of the event loop after its answer.
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    await egress.requestText(request, { maxBytes: 100 }).then(turn);
    await read((await egress.request(request)).body).then(turn);
    await egress.requestText(request, { maxBytes: 100 });
    expect(seen).toEqual(Array.from({ length: 3 }, () => ['POST', '/p?q=1', 'b', `127.0.0.1:${port}`, 'é']));
    expect(ports.size).toBe(1);
  });

  test.each([
    ['a line break', { a: 'b\r\nc: d' }],
    ['a name that is no token', { 'a b': 'c' }],
    ['a length that is not that of the body', { 'Content-Length': '3' }],
    ['a second framing', { 'Transfer-Encoding': 'chunked' }],
  ])('with %s in its headers is refused and not sent', async (_name, headers) => {
    let hits = 0;
    const url = `http://127.0.0.1:${await serve((_request, response) => response.end(String(hits++)))}`;
    const request = get(url, { method: 'POST', body: '{"secret":1}', headers });
    const error = await failure(egressFor().request(request));
    expect(error.code).toBe('EGRESS_REFUSED');
    expect(error.message).toContain(url);
    expect(error.message).not.toContain('c: d');
    expect(hits).toBe(0);
  });

  test('proves the name of its own host by TLS, whatever the Host header says', async () => {
    const hello = new Promise<string>((resolve) => {
      void listen(
        createTcpServer((socket) => {
          socket.once('data', (bytes) => {
            resolve(bytes.toString('latin1'));
            socket.destroy();
          });
        }),
      ).then((port) => {
        const lookup = async (): Promise<{ address: string; family: number }[]> => [
          { address: '127.0.0.1', family: 4 },
        ];
        const request = get(`https://inside.test:${port}`, { headers: { Host: 'other.test' } });
        return failure(egressFor({ lookup }).request(request));
      });
    });
    const bytes = await hello;
    expect(bytes).toContain('inside.test');
    expect(bytes).not.toContain('other.test');
  });

  test('may be answered with any header names, early hints before, and an encoding that stays as it is', async () => {
    const head = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n';
    const port = await serveRaw((socket) =>
      socket.end(`${head}__proto__: a\r\nA: 1\r\na: 2\r\nconstructor: b\r\nContent-Length: 2\r\n\r\nok`),
    );
    const answer = await egressFor().requestText(get(`http://127.0.0.1:${port}`), { maxBytes: 100 });
    expect(answer.text).toBe('ok');
    expect(Object.entries(answer.headers)).toEqual([
      ['content-encoding', 'gzip'],
      ['__proto__', 'a'],
      ['a', '1, 2'],
      ['constructor', 'b'],
      ['content-length', '2'],
    ]);
  });
});

describe('failures', () => {
  test('name the server and the next step when nobody listens', async () => {
    const port = await serve(() => undefined);
    await cleanups.pop()?.();
    const error = await failure(egressFor().request(get(`http://127.0.0.1:${port}/secret-path`)));
    expect(error).toMatchObject({ code: 'TARGET_UNAVAILABLE', details: { cause: 'ECONNREFUSED' } });
    expect(error.message).toContain(`http://127.0.0.1:${port} refused the connection. Check that`);
    expect(error.message).not.toContain('secret');
  });

  test.each(['request', 'requestText'] as const)('%s ends when headers do not arrive in time', async (how) => {
    const port = await serveRaw(() => undefined);
    const started = performance.now();
    const error = await failure(
      egressFor()[how](get(`http://127.0.0.1:${port}`, { timeoutMs: 100 }), { maxBytes: 10 }),
    );
    expect(error.code).toBe('TARGET_TIMEOUT');
    expect(performance.now() - started).toBeLessThan(350);
  });

  test('a collected body has the same time limit', async () => {
    const port = await serveRaw((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"a"'));
    const error = await failure(
      egressFor().requestText(get(`http://127.0.0.1:${port}`, { timeoutMs: 100 }), { maxBytes: 100 }),
    );
    expect(error.code).toBe('TARGET_TIMEOUT');
  });

  test('response headers over 16 KiB are an error', async () => {
    const port = await serveRaw((socket) => socket.end(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(17_000)}\r\n\r\n`));
    const error = await failure(egressFor().request(get(`http://127.0.0.1:${port}`)));
    expect(error).toMatchObject({ code: 'TARGET_UNAVAILABLE', details: { cause: 'HPE_HEADER_OVERFLOW' } });
  });

  test('an answer that is no HTTP is an error', async () => {
    const port = await serveRaw((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    const error = await failure(egressFor().request(get(`http://127.0.0.1:${port}`)));
    expect(error.message).toMatch(/valid HTTP/);
  });

  test.each([
    ['before the headers', 'HTTP/1.1 200'],
    ['in the middle of the body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"a"'],
    ['in the middle of a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a'],
    ['before the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n'],
  ])('a connection closed %s gives no text', async (_name, bytes) => {
    const port = await serveRaw((socket) => socket.end(bytes));
    const egress = egressFor();
    expect((await failure(egress.requestText(get(`http://127.0.0.1:${port}`), { maxBytes: 100 }))).code).toBe(
      'TARGET_UNAVAILABLE',
    );
    const streamed = egress.request(get(`http://127.0.0.1:${port}`)).then((answer) => read(answer.body));
    expect((await failure(streamed)).code).toBe('TARGET_UNAVAILABLE');
  });

  test.each(['POST', 'GET'])('a %s on a kept connection that is reset is lost, and not sent again', async (method) => {
    let requests = 0;
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => undefined);
        socket.on('data', () => {
          requests++;
          if (requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          else socket.resetAndDestroy();
        });
      }),
    );
    const egress = egressFor();
    const request = get(`http://127.0.0.1:${port}`, { method, ...(method === 'POST' ? { body: '{}' } : {}) });
    await egress.requestText(request, { maxBytes: 10 });
    await new Promise((resolve) => setImmediate(resolve));
    const error = await failure(egress.requestText(request, { maxBytes: 10 }));
    expect(error).toMatchObject({ code: 'TARGET_UNAVAILABLE', details: { cause: 'ECONNRESET', lost: true } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(requests).toBe(2);
  });

  test('a request that found the kept connection closed is sent on a new one', async () => {
    let requests = 0;
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('data', () => {
          requests++;
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        });
      }),
    );
    const egress = egressFor();
    const request = get(`http://127.0.0.1:${port}`, { method: 'POST', body: '{}' });
    for (let count = 1; count <= 20; count++) {
      expect((await egress.requestText(request, { maxBytes: 10 })).text).toBe('ok');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(requests).toBe(20);
  });

  test('a request given up while its connection is being made is never sent, and the connection serves the next', async () => {
    const seen: string[] = [];
    const sockets = new Set<number | undefined>();
    const port = await serve((request, response) => {
      seen.push(request.url ?? '');
      sockets.add(request.socket.remotePort);
      response.end('ok');
    });
    let connect = (): void => undefined;
    const gate = new Promise<void>((resolve) => (connect = resolve));
    const lookup = async (): Promise<{ address: string; family: number }[]> => {
      await gate;
      return [{ address: '127.0.0.1', family: 4 }];
    };
    const egress = egressFor({ lookup });
    const url = `http://slow.test:${port}`;
    let cancel = (): void => undefined;
    const first = failure(
      egress.requestText(get(`${url}/first`, { method: 'POST' }), {
        maxBytes: 10,
        onStart: (close) => (cancel = close),
      }),
    );
    const timed = failure(egress.requestText(get(`${url}/timed`, { timeoutMs: 30 }), { maxBytes: 10 }));
    await new Promise((resolve) => setTimeout(resolve, 10));
    cancel();
    expect((await first).details['lost']).toBeUndefined();
    expect((await timed).code).toBe('TARGET_TIMEOUT');
    connect();
    expect((await egress.requestText(get(`${url}/second`), { maxBytes: 10 })).text).toBe('ok');
    expect(seen).toEqual(['/second']);
  });

  test('closing ends what is open, what is being connected, and what comes later', async () => {
    const port = await serve(() => undefined);
    const lookup = (host: string): Promise<{ address: string; family: number }[]> =>
      host === 'never.test' ? new Promise(() => undefined) : Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    const egress = egressFor({ lookup });
    const open = failure(egress.requestText(get(`http://a.test:${port}`), { maxBytes: 10 }));
    const connecting = failure(egress.requestText(get('http://never.test'), { maxBytes: 10 }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    egress.close();
    expect((await open).code).toBe('TARGET_UNAVAILABLE');
    expect((await connecting).code).toBe('TARGET_UNAVAILABLE');
    const later = await failure(egress.request(get(`http://a.test:${port}`)));
    expect(later.message).toContain('shutting down');
  });

  test('a body over the limit or not in UTF-8 gives no text', async () => {
    const port = await serve((request, response) =>
      response.end(request.url === '/big' ? 'x'.repeat(101) : Buffer.from([0xc3])),
    );
    const egress = egressFor();
    const url = `http://127.0.0.1:${port}`;
    expect((await failure(egress.requestText(get(`${url}/big`), { maxBytes: 100 }))).code).toBe(
      'TARGET_RESPONSE_TOO_LARGE',
    );
    expect((await failure(egress.requestText(get(url), { maxBytes: 100 }))).code).toBe('TARGET_PROTOCOL_ERROR');
  });

  test('an encoding that nobody asked for is named, and a byte order mark is no part of the text', async () => {
    const port = await serve((request, response) =>
      request.url === '/gzip'
        ? response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{}'))
        : response.end('\uFEFF{"a":"\uFEFF"}'),
    );
    const egress = egressFor();
    const url = `http://127.0.0.1:${port}`;
    expect((await failure(egress.requestText(get(`${url}/gzip`), { maxBytes: 100 }))).message).toContain(
      'an encoding that nobody asked for (gzip)',
    );
    expect((await egress.requestText(get(url), { maxBytes: 100 })).text).toBe('{"a":"\uFEFF"}');
  });

  test('a port without TLS is told from one with a wrong certificate', async () => {
    const port = await serve((_request, response) => response.end());
    const error = await failure(egressFor().request(get(`https://127.0.0.1:${port}`)));
    expect(error.message).toContain('does not speak TLS there. Write http:// in the URL');
  });

  test.each(['before', 'during', 'after the headers'])(
    'a caller that gives up %s closes the connection',
    async (when) => {
      let closed = 0;
      const port = await serve((request, response) => {
        request.on('close', () => closed++);
        if (when === 'after the headers')
          response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
        else controller.abort();
      });
      const controller = new AbortController();
      if (when === 'before') controller.abort();
      const promise = egressFor().requestText(get(`http://127.0.0.1:${port}`, { signal: controller.signal }), {
        maxBytes: 100,
      });
      const outcome = promise.then((answer) => {
        controller.abort();
        return read(answer.body);
      });
      expect((await failure(outcome)).code).toBe('CALL_CANCELLED');
      if (when !== 'before') await expect.poll(() => closed).toBe(1);
    },
  );
});

describe('a streamed body', () => {
  test('is read no faster than it is asked for, and leaving early closes the connection', async () => {
    let written = 0;
    let closed = false;
    const port = await serve((_request, response) => {
      response.on('close', () => (closed = true));
      const more = (): void => {
        // oxlint-disable-next-line no-unmodified-loop-condition -- the close event changes it
        while (!closed && written < 64 * 1024 * 1024) {
          written += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
        }
      };
      more();
    });
    const answer = await egressFor().request(get(`http://127.0.0.1:${port}`));
    for await (const chunk of answer.body) {
      expect(chunk.length).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      break;
    }
    await expect.poll(() => closed).toBe(true);
    expect(written).toBeLessThan(32 * 1024 * 1024);
  });

  test('that waits for its reader arrives whole and in order', async () => {
    const size = 2 * 1024 * 1024;
    const bytes = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz');
    const port = await serve((_request, response) => response.end(bytes));
    const answer = await egressFor().request(get(`http://127.0.0.1:${port}`));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const parts: Uint8Array[] = [];
    for await (const chunk of answer.body) {
      parts.push(chunk);
      if (parts.length % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });

  test('that breaks gives what has arrived, then the error', async () => {
    const port = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n');
      setTimeout(() => socket.resetAndDestroy(), 20);
    });
    const answer = await egressFor().request(get(`http://127.0.0.1:${port}`, { method: 'POST' }));
    let text = '';
    const reading = (async () => {
      for await (const chunk of answer.body) text += Buffer.from(chunk).toString();
    })();
    expect(await failure(reading)).toMatchObject({ code: 'TARGET_UNAVAILABLE', details: { lost: true } });
    expect(text).toBe('data: 1\n\n');
  });

  test('of an event stream is handed on while it is open', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write('data: 1\n\n');
      setTimeout(() => response.end('data: 2\n\n'), 20);
    });
    const answer = await egressFor().requestText(get(`http://127.0.0.1:${port}`, { timeoutMs: 1000 }), { maxBytes: 5 });
    expect(answer.text).toBeUndefined();
    expect(await read(answer.body)).toBe('data: 1\n\ndata: 2\n\n');
  });
});
