/** Tool search for large catalogues: off until asked for, stateless, and nothing becomes uncallable. */

import { afterEach, describe, expect, test } from 'vitest';
import type { Target } from '../../src/core/target.ts';
import type { Policy, Resource } from '../../src/policy/decide.ts';
import { builtInPolicy } from '../../src/policy/decide.ts';
import type { Assembled } from '../fixtures/assembled.ts';
import { startBare, startInstance } from '../fixtures/assembled.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import type { Json, WireEra } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import type { Revision } from '../oracle/check-wire.ts';

let open: Assembled[] = [];
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
});

const TOOLS: [string, string, Json?][] = [
  ['make_bucket', 'Creates an object store for files in the cloud.'],
  ['deploy_cluster', 'Rolls a release out to the Kubernetes control plane.'],
  ['read_logs', 'Reads what a program has written lately.', { service: { type: 'string' } }],
  ['query_table', 'Runs a statement against Postgres.', { statement: { type: 'string' } }],
  ['removeUser', 'Takes an account out of the directory.'],
  ['weather', 'Says how warm it will be tomorrow.'],
  ['add_numbers', 'Sums two numbers.', { left: { type: 'number' }, right: { type: 'number' } }],
];

/** Answers with the arguments exactly as they came. */
function catalogue(id = 'work', tools = TOOLS): Target {
  const definitions = tools.map(([name, description, properties]) =>
    define('tool', {
      name,
      description,
      inputSchema: { type: 'object', ...(properties === undefined ? {} : { properties }) },
    }),
  );
  return scriptedTarget(id, definitions, (call) => {
    const args = call.params.find((member) => member.key === 'arguments')?.text ?? 'none';
    return `{"content":[{"type":"text","text":"${id} ${call.name}"}],"structuredContent":{"echo":${args}}}`;
  });
}

async function start(
  search: { above?: number; pin?: string[] },
  more: { targets?: Target[]; policy?: Policy } = {},
): Promise<Assembled> {
  const gateway = await startBare({ targets: [catalogue()], ...more, search });
  open.push(gateway);
  return gateway;
}

const client = (gateway: Assembled, path = '', token = 'ann@team-x'): WireClient =>
  new WireClient({ url: `${gateway.mcp}${path}`, era: 'modern', token });

async function names(wire: WireClient): Promise<unknown[]> {
  const { result } = await wire.request('tools/list');
  expect(result).not.toHaveProperty('nextCursor');
  return (result as { tools: Json[] }).tools.map((tool) => tool['name']);
}

interface Found {
  readonly structuredContent: { readonly tools: Json[] };
}

async function find(wire: WireClient, query: string, limit?: number): Promise<unknown[]> {
  const args = { query, ...(limit === undefined ? {} : { limit }) };
  const { result } = await wire.request('tools/call', { name: 'search_tools', arguments: args });
  return (result as unknown as Found).structuredContent.tools.map((tool) => tool['name']);
}

const textOf = (result: Json | undefined): unknown => (result?.['content'] as Json[] | undefined)?.[0]?.['text'];

test('by default nothing is hidden and the two tools do not exist', async () => {
  const gateway = await startInstance({ targets: [catalogue()] });
  open.push(gateway);
  const wire = client(gateway, '', gateway.token);
  expect(await names(wire)).toHaveLength(TOOLS.length);
  const { error } = await wire.request('tools/call', { name: 'search_tools', arguments: { query: 'x' } });
  expect(error?.message).toBe('Unknown tool or not allowed: search_tools');
});

test('as many tools as the limit are listed, one more makes the list short, with the pins', async () => {
  const gateway = await start({ above: 7, pin: ['work___weather'] });
  expect(await names(client(gateway))).toHaveLength(7);
  const more = await start({ above: 6, pin: ['work___weather', 'work___absent'] });
  const wire = client(more);
  expect(await names(wire)).toEqual(['search_tools', 'call_tool', 'work___weather']);
  expect(wire.violations).toEqual([]);
});

test('the configuration turns it on', async () => {
  const search = { above: 2, pin: ['work___weather'] };
  const gateway = await startInstance({ targets: [catalogue()], config: { endpoints: { mcp: { search } } } });
  open.push(gateway);
  expect(await names(client(gateway, '', gateway.token))).toEqual(['search_tools', 'call_tool', 'work___weather']);
});

test('every tool stays callable by its name, and the endpoint of one target never shrinks', async () => {
  const gateway = await start({ above: 2 });
  const wire = client(gateway);
  for (const [name] of TOOLS) {
    const { result } = await wire.request('tools/call', { name: `work___${name}`, arguments: {} });
    expect(textOf(result)).toBe(`work ${name}`);
  }
  const one = client(gateway, '/work');
  expect(await names(one)).toEqual(TOOLS.map(([name]) => name));
  expect((await one.request('tools/call', { name: 'search_tools', arguments: { query: 'x' } })).error?.code).toBe(
    -32602,
  );
});

test.each([
  ['s3', 'make_bucket'],
  ['blob storage', 'make_bucket'],
  ['k8s', 'deploy_cluster'],
  ['gke', 'deploy_cluster'],
  ['kubernets', 'deploy_cluster'],
  ['log', 'read_logs'],
  ['tail the log file of a service', 'read_logs'],
  ['database', 'query_table'],
  ['sql', 'query_table'],
  ['postgers', 'query_table'],
  ['delete user', 'removeUser'],
  ['wether tomorow', 'weather'],
  ['sum', 'add_numbers'],
  ['QUERY TABLE', 'query_table'],
  ['statement', 'query_table'],
])('%j finds %s first', async (query, tool) => {
  const wire = client(await start({ above: 2 }));
  expect((await find(wire, query))[0]).toBe(`work___${tool}`);
});

test('a found tool comes with its description and schema, as many as asked for, and nothing is said plainly', async () => {
  const wire = client(await start({ above: 2 }));
  const { result } = await wire.request('tools/call', { name: 'search_tools', arguments: { query: 'add numbers' } });
  const [first] = (result as unknown as Found).structuredContent.tools;
  expect(first).toMatchObject({
    name: 'work___add_numbers',
    description: 'Sums two numbers.',
    inputSchema: { properties: { left: { type: 'number' } } },
  });
  expect(textOf(result)).toContain('work___add_numbers: Sums two numbers.');
  expect(await find(wire, 'a the cloud user table logs', 1)).toHaveLength(1);
  const none = await wire.request('tools/call', { name: 'search_tools', arguments: { query: 'xyzzy' } });
  expect(textOf(none.result)).toBe('No tool fits. Try other words.');
  for (const args of [{}, { query: 7 }, undefined]) {
    const bad = await wire.request('tools/call', {
      name: 'search_tools',
      ...(args === undefined ? {} : { arguments: args }),
    });
    expect(bad.result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('"query"') }] });
  }
  expect(wire.violations).toEqual([]);
});

test.each([
  ['modern', '2026-07-28'],
  ['session', '2025-11-25'],
  ['session', '2025-06-18'],
  ['session', '2025-03-26'],
  ['stateless', '2025-11-25'],
  ['sse', '2024-11-05'],
] as const)('%s %s lists, searches and calls', async (era: WireEra, version: Revision) => {
  const gateway = await start({ above: 2 });
  const url = era === 'sse' ? `${gateway.url}/sse` : gateway.mcp;
  const wire = await new WireClient({ url, era, version, token: 'ann@team-x' }).open();
  expect(await names(wire)).toEqual(['search_tools', 'call_tool']);
  expect((await find(wire, 's3'))[0]).toBe('work___make_bucket');
  const { result } = await wire.request('tools/call', {
    name: 'call_tool',
    arguments: { name: 'work___weather', arguments: { day: 1 } },
  });
  expect(result).toMatchObject({ content: [{ text: 'work weather' }], structuredContent: { echo: { day: 1 } } });
  expect(wire.violations).toEqual([]);
  await wire.close();
});

test('call_tool passes arguments as their text, so large numbers and unknown members survive', async () => {
  const wire = client(await start({ above: 2 }));
  const args = '{"id":12345678901234567890,"ratio":1.10,"deep":{"__proto__":[1E400]}}';
  const params = `"name":"call_tool","arguments":{"name":"work___weather","arguments":${args}}`;
  const meta =
    '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
  const reply = await wire.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${params},${meta}}}`, {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'call_tool',
  });
  expect(reply.text).toContain(`"structuredContent":{"echo":${args}}`);
});

test('call_tool without a name, of itself, or of an unknown tool says what is wrong', async () => {
  const wire = client(await start({ above: 2 }));
  const call = (args: Json) => wire.request('tools/call', { name: 'call_tool', arguments: args });
  for (const args of [{}, { name: 7 }, { name: 'call_tool', arguments: { name: 'call_tool' } }])
    expect((await call(args)).result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('"name"') }],
    });
  expect((await call({ name: 'work___none' })).error).toMatchObject({
    code: -32602,
    message: 'Unknown tool or not allowed: work___none',
  });
  const inner = await call({ name: 'search_tools', arguments: { query: 'weather' } });
  expect(textOf(inner.result)).toContain('work___weather');
  expect(textOf((await call({ name: 'work___weather' })).result)).toBe('work weather');
});

/** Hides the tools whose name has `secret`, and refuses but shows the `locked` ones, for everybody but `boss`. */
const POLICY: Policy = {
  async decide(request) {
    const [decision] = await POLICY.decideMany(request.principal, request.action, [request.resource], request.context);
    return decision ?? { allowed: false, visible: false };
  },
  async decideMany(principal, action, resources, context) {
    const usual = await builtInPolicy.decideMany(principal, action, resources, context);
    return usual.map((decision, index) => {
      const id = (resources[index] as Resource).id;
      if (principal.id === 'boss') return decision;
      if (id.includes('secret')) return { allowed: false, visible: false };
      return id.includes('locked') ? { allowed: false, visible: true, rule: 'locked' } : decision;
    });
  },
};

test('only tools that the caller may call are found, pinned, counted and called', async () => {
  const tools: typeof TOOLS = [
    ...TOOLS,
    ['secret_bucket', 'A bucket nobody sees.'],
    ['locked_bucket', 'A bucket with a lock.'],
  ];
  const gateway = await start(
    { above: 3, pin: ['work___secret_bucket', 'work___locked_bucket', 'work___weather'] },
    { targets: [catalogue('work', tools)], policy: POLICY },
  );
  const wire = client(gateway);
  expect(await names(wire)).toEqual(['search_tools', 'call_tool', 'work___weather']);
  expect(await find(wire, 'bucket', 50)).toEqual(['work___make_bucket']);
  const secret = await wire.request('tools/call', { name: 'call_tool', arguments: { name: 'work___secret_bucket' } });
  expect(secret.error).toMatchObject({ code: -32602, message: 'Unknown tool or not allowed: work___secret_bucket' });
  const locked = await wire.request('tools/call', { name: 'call_tool', arguments: { name: 'work___locked_bucket' } });
  expect(locked.result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('locked') }] });
  const boss = client(gateway, '', 'boss@team-x');
  expect(new Set(await find(boss, 'bucket'))).toEqual(
    new Set(['work___make_bucket', 'work___secret_bucket', 'work___locked_bucket']),
  );
  const few = await start({ above: 7 }, { targets: [catalogue('work', tools)], policy: POLICY });
  expect(await names(client(few))).toHaveLength(7);
  expect(await names(client(few, '', 'boss@team-x'))).toEqual(['search_tools', 'call_tool']);
});

describe('a tool that has the same name', () => {
  test('that an administrator registered wins, in the list and in the call', async () => {
    const gateway = await startInstance({
      targets: [catalogue()],
      config: { endpoints: { mcp: { search: { above: 2 } } } },
    });
    open.push(gateway);
    const body = {
      type: 'tool',
      name: 'search_tools',
      description: 'Our own search.',
      lambdaArn: 'arn:aws:lambda:region:account:function:absent',
      parameters: {},
    };
    const response = await fetch(`${gateway.url}/register`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(201);
    const wire = client(gateway, '', gateway.token);
    const { result } = await wire.request('tools/list');
    const tools = (result as { tools: Json[] }).tools;
    expect(tools.map((tool) => tool['name'])).toEqual(['call_tool', 'search_tools']);
    expect(tools[1]?.['description']).toBe('Our own search.');
    const called = await wire.request('tools/call', { name: 'search_tools', arguments: {} });
    expect(textOf(called.result)).toContain('"absent"');
  });

  test('and is only the bare name of a target does not: what is listed is what is called', async () => {
    const targets = [
      catalogue('work', [...TOOLS, ['search_tools', "The target's own."], ['call_tool', "The target's own."]]),
    ];
    const wire = client(await start({ above: 2 }, { targets }));
    expect((await find(wire, 's3'))[0]).toBe('work___make_bucket');
    const called = await wire.request('tools/call', { name: 'call_tool', arguments: { name: 'work___weather' } });
    expect(textOf(called.result)).toBe('work weather');
    const theirs = await wire.request('tools/call', { name: 'work___search_tools', arguments: {} });
    expect(textOf(theirs.result)).toBe('work search_tools');
  });
});

test('ten thousand tools are searched within a second, and the second search costs little', async () => {
  const many = Array.from({ length: 10_000 }, (_, i): [string, string] => [
    `tool_${i}`,
    `Does thing number ${i} for department ${i % 97}.`,
  ]);
  const wire = client(await start({ above: 100 }, { targets: [catalogue('work', [...many, ...TOOLS])] }));
  expect((await find(wire, 's3'))[0]).toBe('work___make_bucket');
  const startedMs = performance.now();
  expect((await find(wire, 'k8s'))[0]).toBe('work___deploy_cluster');
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});
