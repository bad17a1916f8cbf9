/**
 * The request ladder of 2026-07-28, row by row: one valid request, one mutation at a time, the exact status and code.
 * Then two faults at once: the earlier row answers.
 */

import { expect, test } from 'vitest';
import { UpstreamRpcError } from '../../src/core/errors.ts';
import { exchange, textOf } from '../fixtures/http-exchange.ts';
import { define, scriptedTarget, withGateway } from '../fixtures/instance.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { verifies } from './verifies.ts';

type Json = Record<string, unknown>;

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const SNOW = 'schnee ☃ tool';

interface Draft {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: { jsonrpc?: unknown; id?: unknown; method?: unknown; params: Json & { _meta: Json } } & Json;
  /** The last word on the bytes that are sent. */
  encode: (body: Json) => string;
}

type Change = (draft: Draft) => void;

/** What, which change to the valid request, status, JSON-RPC code (absent: a result). */
type Row = readonly [what: string, change: Change, status: number, code?: number];

const routedSchema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    count: { type: 'integer', 'x-mcp-header': 'Count' },
    dry: { type: 'boolean', 'x-mcp-header': 'Dry-Run' },
    inner: { type: 'object', properties: { zone: { type: 'string', 'x-mcp-header': 'Zone' } } },
  },
};

const docs = () =>
  scriptedTarget(
    'docs',
    [
      ...['echo', 'sampler', SNOW].map((name) => define('tool', { name, inputSchema: { type: 'object' } })),
      define('tool', { name: 'routed', inputSchema: routedSchema }),
      define('prompt', { name: 'hello' }),
      define('resource', { uri: 'memo:größe', name: 'memo' }),
    ],
    (call) => {
      if (call.name === 'sampler')
        throw new UpstreamRpcError(-32021, 'needs sampling', { requiredCapabilities: { sampling: {} } });
      if (call.method === 'prompts/get') return '{"messages":[]}';
      if (call.method === 'resources/read') return '{"contents":[]}';
      return JSON.stringify({ content: [{ type: 'text', text: call.name }] });
    },
  );

const greet = {
  type: 'tool',
  name: 'greet',
  description: 'Greets by name.',
  lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
  parameters: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
};

const onLadder = (run: (gateway: LocalInstance) => Promise<void>) => async (): Promise<void> =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const headers = { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' };
    const added = await exchange({ url: gateway.admin, method: 'POST', headers, body: JSON.stringify(greet) });
    expect(added.status).toBe(201);
    await run(gateway);
  });

function validRequest(gateway: LocalInstance): Draft {
  return {
    method: 'POST',
    path: '/mcp',
    headers: {
      authorization: `Bearer ${gateway.token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'docs___echo',
    },
    body: {
      jsonrpc: '2.0',
      id: 'one',
      method: 'tools/call',
      params: { name: 'docs___echo', arguments: {}, _meta: { [VERSION]: '2026-07-28', [CAPABILITIES]: {} } },
    },
    encode: (body) => JSON.stringify(body),
  };
}

async function answerTo(gateway: LocalInstance, ...changes: Change[]) {
  const draft = validRequest(gateway);
  for (const change of changes) change(draft);
  const { method, headers, path } = draft;
  const body = method === 'GET' || method === 'DELETE' ? {} : { body: draft.encode(draft.body) };
  const response = await exchange({ url: gateway.url + path, method, headers, ...body });
  const text = await textOf(response.body);
  const message = (text === '' ? {} : JSON.parse(text)) as Json & {
    error?: { code: number; data?: Json };
    result?: Json;
  };
  return { status: response.status, headers: response.headers, message, id: message['id'] };
}

async function expectRows(gateway: LocalInstance, rows: readonly Row[]): Promise<void> {
  const seen: string[] = [];
  for (const [what, change] of rows) {
    const { status, message } = await answerTo(gateway, change);
    seen.push(`${what}: ${status} ${message.error?.code ?? 'result'}`);
  }
  expect(seen).toEqual(rows.map(([what, , status, code]) => `${what}: ${status} ${code ?? 'result'}`));
  expect((await answerTo(gateway)).status, 'a valid request afterwards').toBe(200);
}

const header =
  (name: string, value?: string): Change =>
  ({ headers }) => {
    if (value === undefined) delete headers[name];
    else headers[name] = value;
  };

const raw =
  (text: string): Change =>
  (draft) => {
    draft.encode = () => text;
  };

/** Another call, with the headers that go with it. */
const call =
  (method: string, params: Json, named?: string): Change =>
  ({ headers, body }) => {
    body.method = method;
    body.params = { ...params, _meta: body.params._meta };
    headers['mcp-method'] = method;
    delete headers['mcp-name'];
    if (named !== undefined) headers['mcp-name'] = named;
  };

const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;
const tool = (name: string, args: unknown = {}, named = name): Change =>
  call('tools/call', { name, arguments: args }, named);

verifies(
  'L1',
  'a foreign Host and a foreign Origin are refused',
  onLadder((gateway) =>
    expectRows(gateway, [
      ['valid', () => {}, 200],
      ['foreign host', header('host', 'evil.example'), 403, -32600],
      ['loopback name as a prefix', header('host', 'localhost.evil.example'), 403, -32600],
      ['user part', header('host', 'localhost@evil.example'), 403, -32600],
      ['foreign origin', header('origin', 'https://evil.example'), 403, -32600],
      ['null origin', header('origin', 'null'), 403, -32600],
      ['loopback name in a foreign origin', header('origin', 'http://127.0.0.1.evil.example'), 403, -32600],
      ['user part in an origin', header('origin', 'http://localhost@evil.example'), 403, -32600],
      ['loopback origin', header('origin', 'http://localhost:3000'), 200],
    ]),
  ),
);

verifies(
  'L2',
  'absent and wrong credentials are refused with a challenge',
  onLadder(async (gateway) => {
    await expectRows(gateway, [
      ['no credentials', header('authorization'), 401, -32600],
      ['wrong token', header('authorization', 'Bearer wrong'), 401, -32600],
      ['other scheme', header('authorization', `Basic ${gateway.token}`), 401, -32600],
      ['token with a tail', header('authorization', `Bearer ${gateway.token}x`), 401, -32600],
      [
        'token in the query',
        (draft) => {
          header('authorization')(draft);
          draft.path = `/mcp?access_token=${gateway.token}`;
        },
        401,
        -32600,
      ],
      ['scheme in lower case', header('authorization', `bearer ${gateway.token}`), 200],
    ]);
    const refused = await answerTo(gateway, header('authorization'));
    expect(refused.headers['www-authenticate']).toMatch(/^Bearer /);
  }),
);

verifies(
  'L3',
  'other HTTP methods are refused, and a modern request ignores what belongs to older revisions',
  onLadder(async (gateway) => {
    const method =
      (name: string): Change =>
      (draft) => {
        draft.method = name;
      };
    await expectRows(gateway, [
      ['PUT', method('PUT'), 405, -32000],
      ['PATCH', method('PATCH'), 405, -32000],
      ['GET without a session', method('GET'), 400, -32600],
      ['DELETE without a session', method('DELETE'), 400, -32600],
      ['foreign session id', header('mcp-session-id', 'forged'), 200],
      ['last event id', header('last-event-id', 'g1.1'), 200],
    ]);
    expect((await answerTo(gateway, method('PUT'))).headers['allow']).toBe('GET, POST, DELETE');
  }),
);

test('GET and DELETE answer 405 where there are no sessions', () =>
  withGateway({ targets: [docs()], config: { sessions: 'off' } }, async (gateway) => {
    for (const method of ['GET', 'DELETE']) {
      const refused = await answerTo(
        gateway,
        header('accept', 'text/event-stream'),
        (draft) => void (draft.method = method),
      );
      expect(refused).toMatchObject({ status: 405, message: { error: { code: -32000 } }, headers: { allow: 'POST' } });
    }
  }));

verifies(
  'L4',
  'only JSON in UTF-8 is read',
  onLadder((gateway) =>
    expectRows(gateway, [
      ['no content type', header('content-type'), 415, -32600],
      ['text', header('content-type', 'text/plain'), 415, -32600],
      ['form', header('content-type', 'application/x-www-form-urlencoded'), 415, -32600],
      ['JSON as a prefix of another type', header('content-type', 'application/json-seq'), 415, -32600],
      ['utf-16', header('content-type', 'application/json; charset=utf-16'), 415, -32600],
      ['utf-8 spelled out', header('content-type', 'Application/JSON; Charset="UTF-8"'), 200],
      ['gzip', header('content-encoding', 'gzip'), 415, -32600],
      ['identity', header('content-encoding', 'identity'), 200],
      ['neither JSON nor SSE accepted', header('accept', 'text/html'), 406, -32600],
      ['both excluded', header('accept', 'application/json;q=0, text/event-stream;q=0.0'), 406, -32600],
      ['no body', raw(''), 400, -32700],
      ['half a body', raw('{"jsonrpc":"2.0",'), 400, -32700],
      ['a comment', raw('{} // done'), 400, -32700],
      ['NaN', raw('{"jsonrpc":"2.0","id":NaN}'), 400, -32700],
      ['byte order mark', (draft) => void (draft.encode = (body) => `\uFEFF${JSON.stringify(body)}`), 400, -32700],
      ['raw control character in a string', raw('{"jsonrpc":"2.0","id":"a\nb"}'), 400, -32700],
    ]),
  ),
);

verifies(
  'L5',
  'the body is one request or notification with a usable id',
  onLadder(async (gateway) => {
    const id =
      (value: unknown): Change =>
      ({ body }) =>
        void (body.id = value);
    await expectRows(gateway, [
      ['null id', id(null), 400, -32600],
      ['boolean id', id(true), 400, -32600],
      ['object id', id({}), 400, -32600],
      ['fraction', id(1.5), 400, -32600],
      ['id over 1 KiB', id('x'.repeat(1_025)), 400, -32600],
      ['empty id', id(''), 200],
      ['negative id', id(-7), 200],
      ['no jsonrpc', ({ body }) => void delete body.jsonrpc, 400, -32600],
      ['jsonrpc 1.0', ({ body }) => void (body.jsonrpc = '1.0'), 400, -32600],
      ['no method', ({ body }) => void delete body.method, 400, -32600],
      ['method is a number', ({ body }) => void (body.method = 7), 400, -32600],
      ['empty method', ({ body }) => void (body.method = ''), 400, -32600],
      ['method and result', ({ body }) => void (body['result'] = {}), 400, -32600],
      ['method and error', ({ body }) => void (body['error'] = { code: 1, message: '' }), 400, -32600],
      ['a batch', (draft) => void (draft.encode = (body) => JSON.stringify([body])), 400, -32600],
      ['a posted response', raw('{"jsonrpc":"2.0","id":1,"result":{}}'), 400, -32600],
      ['a posted error', raw('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}'), 400, -32600],
      ['a string', raw('"tools/call"'), 400, -32600],
      ['null', raw('null'), 400, -32600],
      ['params by position', ({ body }) => void (body['params'] = [] as never), 400, -32602],
    ]);
    const echoed = await answerTo(gateway, ({ body }) => void (body['result'] = {}));
    expect(echoed.id).toBe('one');
    const large = await answerTo(gateway, (draft) => {
      draft.encode = (body) => JSON.stringify(body).replace('"one"', '9007199254740993');
    });
    expect(large.status).toBe(200);
  }),
);

verifies(
  'L6',
  'the envelope names the version and the capabilities',
  onLadder(async (gateway) => {
    const meta =
      (key: string, value?: unknown): Change =>
      ({ body }) => {
        if (value === undefined) delete body.params._meta[key];
        else body.params._meta[key] = value;
      };
    await expectRows(gateway, [
      ['no capabilities', meta(CAPABILITIES), 400, -32602],
      ['capabilities are a list', meta(CAPABILITIES, []), 400, -32602],
      ['capabilities are null', meta(CAPABILITIES, null), 400, -32602],
      ['no version, but the header names a modern one', meta(VERSION), 400, -32602],
      ['version is a number', meta(VERSION, 2026), 400, -32602],
      [
        'no envelope, but the header names a modern one',
        ({ body }) => void delete (body.params as Json)['_meta'],
        400,
        -32602,
      ],
      ['no params, but the header names a modern one', ({ body }) => void delete (body as Json)['params'], 400, -32602],
      ['_meta is a list', ({ body }) => void (body.params._meta = [] as never), 400, -32602],
      ['no client info', meta('io.modelcontextprotocol/clientInfo'), 200],
    ]);
    expect((await answerTo(gateway, meta(CAPABILITIES))).id).toBe('one');
  }),
);

verifies(
  'L7',
  'the version header equals the version of the body',
  onLadder((gateway) =>
    expectRows(gateway, [
      ['absent', header('mcp-protocol-version'), 400, -32020],
      ['older', header('mcp-protocol-version', '2025-11-25'), 400, -32020],
      ['unknown', header('mcp-protocol-version', '2099-01-01'), 400, -32020],
      ['empty', header('mcp-protocol-version', ''), 400, -32020],
      ['with space around', header('mcp-protocol-version', ' 2026-07-28 '), 200],
    ]),
  ),
);

const version =
  (value: string): Change =>
  ({ headers, body }) => {
    headers['mcp-protocol-version'] = value;
    body.params._meta[VERSION] = value;
  };

verifies(
  'L8',
  'an unsupported version is answered with those that are',
  onLadder(async (gateway) => {
    await expectRows(gateway, [
      ['of the future', version('2099-01-01'), 400, -32022],
      ['a name', version('draft'), 400, -32022],
      ['prototype key', version('__proto__'), 400, -32022],
    ]);
    const { message, id } = await answerTo(gateway, version('2099-01-01'));
    expect(message.error?.data).toEqual({
      supported: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
      requested: '2099-01-01',
    });
    expect(id).toBe('one');
  }),
);

verifies(
  'L9',
  'Mcp-Method equals the method, case included',
  onLadder((gateway) =>
    expectRows(gateway, [
      ['absent', header('mcp-method'), 400, -32020],
      ['another', header('mcp-method', 'tools/list'), 400, -32020],
      ['other case', header('mcp-method', 'Tools/Call'), 400, -32020],
      ['with space around', header('mcp-method', '  tools/call\t'), 200],
    ]),
  ),
);

verifies(
  'L10',
  'Mcp-Name equals the name or URI after decoding',
  onLadder((gateway) =>
    expectRows(gateway, [
      ['absent', header('mcp-name'), 400, -32020],
      ['another', header('mcp-name', 'docs___routed'), 400, -32020],
      ['other case', header('mcp-name', 'Docs___echo'), 400, -32020],
      ['Base64 of the same', header('mcp-name', base64('docs___echo')), 200],
      ['Base64 of another', header('mcp-name', base64('docs___routed')), 400, -32020],
      ['bad Base64', header('mcp-name', '=?base64?%%%%?='), 400, -32020],
      ['unpadded Base64', header('mcp-name', '=?base64?ZG9jc19fX2VjaG8?='), 400, -32020],
      ['Base64 of bytes that are not UTF-8', header('mcp-name', '=?base64?/w==?='), 400, -32020],
      ['name absent from the body', ({ body }) => void delete body.params['name'], 400, -32020],
      ['name is a number', ({ body }) => void (body.params['name'] = 7), 400, -32020],
      ['non-ASCII name', call('tools/call', { name: SNOW }, base64(SNOW)), 200],
      ['prompt', call('prompts/get', { name: 'docs___hello' }, 'docs___hello'), 200],
      ['prompt without', call('prompts/get', { name: 'docs___hello' }), 400, -32020],
      ['resource', call('resources/read', { uri: 'docs+memo:größe' }, base64('docs+memo:größe')), 200],
      ['resource under its name', call('resources/read', { uri: 'docs+memo:größe' }, 'memo'), 400, -32020],
      ['task without', call('tasks/get', { taskId: 't' }), 400, -32020],
      ['list needs none', call('tools/list', {}), 200],
      ['list ignores one', call('tools/list', {}, 'whatever'), 200],
    ]),
  ),
);

verifies(
  'L11',
  'methods that are not implemented, removed ones included, are 404',
  onLadder(async (gateway) => {
    const methods = [
      'initialize',
      'ping',
      'logging/setLevel',
      'resources/subscribe',
      'resources/unsubscribe',
      'sampling/createMessage',
      'roots/list',
      'elicitation/create',
      'notifications/initialized',
      'tools/nothing',
      '__proto__',
      'constructor',
    ];
    await expectRows(gateway, [
      ...methods.map((method): Row => [method, call(method, {}), 404, -32601]),
      ['tasks/get', call('tasks/get', { taskId: 't' }, 't'), 404, -32601],
    ]);
    expect((await answerTo(gateway, call('ping', {}))).id).toBe('one');
  }),
);

verifies(
  'L12',
  'a capability that was not declared is named',
  onLadder(async (gateway) => {
    await expectRows(gateway, [['sampling', tool('docs___sampler'), 400, -32021]]);
    const { message } = await answerTo(gateway, tool('docs___sampler'));
    expect(message.error?.data).toEqual({ requiredCapabilities: { sampling: {} } });
  }),
);

verifies(
  'L13',
  'arguments with a header equal it',
  onLadder((gateway) => {
    const routed =
      (args: Json, headers: Json): Change =>
      (draft) => {
        tool('docs___routed', args)(draft);
        Object.assign(draft.headers, headers);
      };
    return expectRows(gateway, [
      ['none given', routed({}, {}), 200],
      ['string', routed({ region: 'eu' }, { 'mcp-param-region': 'eu' }), 200],
      ['string without header', routed({ region: 'eu' }, {}), 400, -32020],
      ['another string', routed({ region: 'eu' }, { 'mcp-param-region': 'us' }), 400, -32020],
      ['other case', routed({ region: 'eu' }, { 'mcp-param-region': 'EU' }), 400, -32020],
      ['Base64', routed({ region: 'süd' }, { 'mcp-param-region': base64('süd') }), 200],
      ['bad Base64', routed({ region: 'süd' }, { 'mcp-param-region': '=?base64?s*?=' }), 400, -32020],
      ['integer', routed({ count: 12 }, { 'mcp-param-count': '12' }), 200],
      ['integer in another spelling', routed({ count: 12 }, { 'mcp-param-count': '12.0' }), 200],
      ['another integer', routed({ count: 12 }, { 'mcp-param-count': '13' }), 400, -32020],
      ['integer in words', routed({ count: 12 }, { 'mcp-param-count': 'twelve' }), 400, -32020],
      ['hexadecimal', routed({ count: 12 }, { 'mcp-param-count': '0xc' }), 400, -32020],
      ['zero against nothing', routed({ count: 0 }, { 'mcp-param-count': '' }), 400, -32020],
      ['boolean', routed({ dry: true }, { 'mcp-param-dry-run': 'true' }), 200],
      ['boolean in capitals', routed({ dry: true }, { 'mcp-param-dry-run': 'True' }), 400, -32020],
      ['another boolean', routed({ dry: false }, { 'mcp-param-dry-run': 'true' }), 400, -32020],
      ['null without header', routed({ region: null }, {}), 200],
      ['null with header', routed({ region: null }, { 'mcp-param-region': 'eu' }), 400, -32020],
      ['absent with header', routed({}, { 'mcp-param-region': 'eu' }), 400, -32020],
      ['nested', routed({ inner: { zone: 'a' } }, { 'mcp-param-zone': 'a' }), 200],
      ['nested without header', routed({ inner: { zone: 'a' } }, {}), 400, -32020],
      ['a header that no argument has', routed({}, { 'mcp-param-other': 'x' }), 200],
    ]);
  }),
);

verifies(
  'L14',
  'unknown names and cursors are errors in band',
  onLadder(async (gateway) => {
    await expectRows(gateway, [
      ['tool', tool('docs___nothing'), 200, -32602],
      ['tool of an unknown target', tool('nobody___echo'), 200, -32602],
      ['prototype key', tool('__proto__'), 200, -32602],
      ['prompt', call('prompts/get', { name: 'docs___nothing' }, 'docs___nothing'), 200, -32602],
      ['resource', call('resources/read', { uri: 'nobody+memo:x' }, 'nobody+memo:x'), 200, -32602],
      ['result', call('resources/read', { uri: 'zeroplane://results/x' }, 'zeroplane://results/x'), 200, -32602],
      ['cursor', call('tools/list', { cursor: 'x' }), 200, -32602],
      ['empty cursor', call('tools/list', { cursor: '' }), 200, -32602],
      ['cursor is a number', call('tools/list', { cursor: 1 }), 200, -32602],
    ]);
    const { message } = await answerTo(gateway, tool('docs___nothing'));
    expect(message.error).toMatchObject({
      message: 'Unknown tool or not allowed: docs___nothing',
      data: { knownTargets: ['docs', 'registry'] },
    });
  }),
);

verifies(
  'L15',
  'arguments that do not fit are a result that a model can read',
  onLadder(async (gateway) => {
    await expectRows(gateway, [
      ['absent', tool('greet', {}), 200],
      ['of another type', tool('greet', { name: 7 }), 200],
    ]);
    for (const args of [{}, { name: 7 }])
      expect((await answerTo(gateway, tool('greet', args))).message.result).toMatchObject({
        isError: true,
        content: [{ text: expect.stringContaining('name') }],
      });
  }),
);

/** One fault per row, in the order of the ladder. Applied last to first, so that each finds what it changes. */
const FAULTS: readonly (readonly [row: number, change: Change, status: number, code: number])[] = [
  [1, header('host', 'evil.example'), 403, -32600],
  [1, header('origin', 'https://evil.example'), 403, -32600],
  [2, header('authorization'), 401, -32600],
  [3, (draft) => void (draft.method = 'PUT'), 405, -32000],
  [4, header('content-type', 'text/plain'), 415, -32600],
  [4, raw('{"id":'), 400, -32700],
  [5, ({ body }) => void (body.id = null), 400, -32600],
  [6, ({ body }) => void delete body.params._meta[CAPABILITIES], 400, -32602],
  [7, header('mcp-protocol-version', '2025-11-25'), 400, -32020],
  [8, version('2099-01-01'), 400, -32022],
  [9, header('mcp-method', 'tools/list'), 400, -32020],
  [10, header('mcp-name', 'other'), 400, -32020],
  [11, call('tasks/get', { taskId: 't' }, 't'), 404, -32601],
  [13, tool('docs___routed', { region: 'eu' }), 400, -32020],
  [14, tool('docs___nothing'), 200, -32602],
];

verifies(
  'L1 L2 L3 L4 L5 L6 L7 L8 L9 L10 L11 L13 L14',
  'of two faults the earlier row answers',
  onLadder(async (gateway) => {
    const wrong: string[] = [];
    for (const [i, [row, change, status, code]] of FAULTS.entries()) {
      for (const [laterRow, laterChange] of FAULTS.slice(i + 1)) {
        // Both name the tool that is called: only one can be wrong.
        if (row === 13 && laterRow === 14) continue;
        const got = await answerTo(gateway, laterChange, change);
        const answer = `${got.status} ${got.message.error?.code}`;
        if (answer !== `${status} ${code}`) wrong.push(`${row} and ${laterRow}: ${answer}, not ${status} ${code}`);
      }
    }
    expect(wrong).toEqual([]);
  }),
);

test('notifications are accepted without an answer, whichever era they belong to', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const modern = await answerTo(gateway, ({ body }) => {
      delete body.id;
      body.method = 'notifications/cancelled';
    });
    expect(modern).toMatchObject({ status: 202, message: {} });
    const unnamed = await answerTo(gateway, raw('{"jsonrpc":"2.0","method":"notifications/initialized"}'));
    expect(unnamed).toMatchObject({ status: 202, message: {} });
    const legacy = await answerTo(
      gateway,
      header('mcp-protocol-version', '2025-11-25'),
      raw('{"jsonrpc":"2.0","method":"notifications/initialized"}'),
    );
    expect(legacy).toMatchObject({ status: 202, message: {} });
    const wrongVersion = await answerTo(gateway, version('2099-01-01'), ({ body }) => void delete body.id);
    expect(wrongVersion).toMatchObject({ status: 400, message: { error: { code: -32022 } } });
  }));

test('a response posted by an older client is accepted without an answer', () =>
  withGateway({ targets: [docs()] }, async (gateway) => {
    const posted = await answerTo(
      gateway,
      header('mcp-protocol-version', '2025-06-18'),
      raw('{"jsonrpc":"2.0","id":"zp-1","result":{}}'),
    );
    expect(posted).toMatchObject({ status: 202, message: {} });
  }));
