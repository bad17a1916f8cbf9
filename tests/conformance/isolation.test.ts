/**
 * One instance, several callers: what belongs to one is refused to the others exactly like something that does not
 * exist, answers reach only those who asked, and lists never cross tenants.
 */

import { expect, test } from 'vitest';
import type { Principal } from '../../src/core/context.ts';
import type { Target } from '../../src/core/target.ts';
import type { Policy } from '../../src/policy/decide.ts';
import type { LocalInstance, StartGatewayOptions } from '../../src/testing.ts';
import { eventsOf, exchange, textOf } from '../fixtures/http-exchange.ts';
import { authenticatorOf } from '../fixtures/people.ts';
import type { ScriptedTarget } from '../fixtures/instance.ts';
import { define, scriptedTarget, withGateway } from '../fixtures/instance.ts';
import type { Json, WireEra, WireReply } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';

const person = (id: string, tenant: string, scopes = ['zeroplane:use', 'zeroplane:admin']): Principal => ({
  id,
  tenant,
  roles: ['admin'],
  scopes,
});

/** By token. Ann shares Ada's tenant; Bob has Ada's id in another one. */
const PEOPLE: ReadonlyMap<string, Principal> = new Map([
  ['ada', person('ada@dev', 'team-a')],
  ['ann', person('ann@dev', 'team-a')],
  ['bob', person('ada@dev', 'team-b')],
  ['eve', person('eve@dev', 'team-a', [])],
]);

const OTHERS = ['ann', 'bob'] as const;

const authenticator = authenticatorOf(PEOPLE);

const shared = (options: StartGatewayOptions, run: (gateway: LocalInstance) => Promise<void>): Promise<void> =>
  withGateway({ ...options, authenticator }, run);

const wireOf = (gateway: LocalInstance, token: string, era: WireEra = 'modern', more: Json = {}): WireClient =>
  new WireClient({
    url: era === 'sse' ? `${gateway.url}/sse` : gateway.mcp,
    era,
    token,
    capabilities: { elicitation: {} },
    ...more,
  });

const tool = (name: string) => define('tool', { name, inputSchema: { type: 'object' } });

/** An answer without what is new in each: the request's id at the gateway, and the name that was asked for. */
const bare = (reply: WireReply, name = ''): unknown => {
  const text = reply.text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
  return [reply.status, name === '' ? text : text.replaceAll(name, 'NAME')];
};

test('a cursor works for the caller it was given to, and for nobody else', () => {
  const target = scriptedTarget(
    'docs',
    Array.from({ length: 1_200 }, (_, index) => tool(`t${index}`)),
    () => '{}',
  );
  return shared({ targets: [target] }, async (gateway) => {
    const ask = (who: string, cursor: unknown) => wireOf(gateway, who).request('tools/list', { cursor }, { id: 1 });
    const cursor = (await wireOf(gateway, 'ada').request('tools/list')).result?.['nextCursor'];
    for (const who of OTHERS) {
      const foreign = await ask(who, cursor);
      expect(foreign.error?.code).toBe(-32602);
      expect(bare(foreign)).toEqual(bare(await ask(who, 'forged')));
    }
    expect((await ask('ada', cursor)).result?.['tools']).toHaveLength(200);
  });
});

/** Asks its caller for a name, and answers with it. Of an older revision: it has no request state of its own. */
const asking = () =>
  scriptedTarget(
    'docs',
    [tool('ask')],
    async (_, exchanged) => {
      const question = '{"message":"who?","requestedSchema":{"type":"object"}}';
      return `{"content":[],"structuredContent":${await exchanged.ask('elicitation/create', question)}}`;
    },
    { kind: 'stdio' },
  );

test('request state resumes the call of the caller it was given to, and of nobody else', () =>
  shared({ targets: [asking()] }, async (gateway) => {
    const params = { name: 'docs___ask', arguments: {} };
    const first = await wireOf(gateway, 'ada').request('tools/call', params);
    const state = String(first.result?.['requestState']);
    const [key = ''] = Object.keys(first.result?.['inputRequests'] as Json);
    const answerAs = (who: string, requestState: string) =>
      wireOf(gateway, who).request(
        'tools/call',
        { ...params, requestState, inputResponses: { [key]: { action: 'accept', content: { who } } } },
        { id: 1 },
      );
    for (const who of OTHERS) {
      const foreign = await answerAs(who, state);
      expect(foreign.error?.code).toBe(-32602);
      expect(bare(foreign)).toEqual(bare(await answerAs(who, `zp1.${'A'.repeat(state.length - 4)}`)));
    }
    const own = await answerAs('ada', state);
    expect(own.result?.['structuredContent']).toEqual({ action: 'accept', content: { who: 'ada' } });
    expect((await answerAs('ada', state)).error?.code, 'a second time').toBe(-32602);
  }));

test('request state is bound to the arguments it was given for', () =>
  shared({ targets: [asking()] }, async (gateway) => {
    const ada = wireOf(gateway, 'ada');
    const first = await ada.request('tools/call', { name: 'docs___ask', arguments: { amount: 1 } });
    const requestState = first.result?.['requestState'];
    const other = { name: 'docs___ask', arguments: { amount: 1_000 }, requestState, inputResponses: {} };
    expect((await ada.request('tools/call', other)).error?.code).toBe(-32602);
  }));

test('a session is its caller’s alone, on every method', () =>
  shared({ targets: [asking()] }, async (gateway) => {
    const ada = await wireOf(gateway, 'ada', 'session').open();
    const use = async (who: string, method: string, id: string): Promise<unknown> => {
      const headers = {
        authorization: `Bearer ${who}`,
        'mcp-session-id': id,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      };
      const body = method === 'POST' ? { body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' } : {};
      const { status, body: answer } = await exchange({ url: gateway.mcp, method, headers, ...body });
      return [status, (await textOf(answer)).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')];
    };
    for (const who of OTHERS)
      for (const method of ['POST', 'GET', 'DELETE']) {
        const foreign = await use(who, method, ada.sessionId ?? '');
        expect(foreign).toEqual([404, expect.stringContaining('-32600')]);
        expect(foreign).toEqual(await use(who, method, 'forged'));
      }
    expect((await ada.request('tools/list')).status).toBe(200);
  }));

test('a stream of 2024-11-05 takes messages from its own caller only', () =>
  shared({ targets: [asking()] }, async (gateway) => {
    const headers = { authorization: 'Bearer ada', accept: 'text/event-stream' };
    const stream = await exchange({ url: `${gateway.url}/sse`, method: 'GET', headers });
    const endpoint = (await eventsOf(stream.body).next()).value?.data ?? '';
    const send = async (who: string, path: string): Promise<unknown> => {
      const answer = await exchange({
        url: gateway.url + path,
        method: 'POST',
        headers: { authorization: `Bearer ${who}`, 'content-type': 'application/json' },
        body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
      });
      return [answer.status, (await textOf(answer.body)).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')];
    };
    const unknown = '/message?sessionId=11111111-1111-4111-8111-111111111111';
    for (const who of OTHERS) {
      const foreign = await send(who, endpoint);
      expect(foreign).toEqual([404, expect.stringContaining('Session invalid')]);
      expect(foreign).toEqual(await send(who, unknown));
    }
    expect(await send('ada', endpoint)).toEqual([202, '{"status":"Message accepted"}']);
    stream.abort();
  }));

test('a large result is read by the caller who made it, and by nobody else', () => {
  const large = JSON.stringify({ content: [{ type: 'text', text: 'secret '.repeat(1_000) }] });
  const target = scriptedTarget('docs', [tool('get')], () => large);
  return shared({ targets: [target], config: { results: { inlineBytes: 1_024 } } }, async (gateway) => {
    const called = await wireOf(gateway, 'ada').request('tools/call', { name: 'docs___get' });
    const link = ((called.result?.['content'] ?? []) as Json[]).find((block) => block['type'] === 'resource_link');
    const uri = String(link?.['uri']);
    const unknown = 'zeroplane://results/11111111-1111-4111-8111-111111111111?page=0';
    const read = (who: string, of: string) => wireOf(gateway, who).request('resources/read', { uri: of }, { id: 1 });
    for (const who of OTHERS) {
      const foreign = await read(who, uri);
      expect(foreign.error?.code).toBe(-32602);
      expect(bare(foreign)).toEqual(bare(await read(who, unknown)));
    }
    const own = await read('ada', uri);
    expect(own.result?.['contents']).toMatchObject([{ text: large }]);
  });
});

test('a question to one session is not answered by a response in another', () =>
  shared({ targets: [asking()] }, async (gateway) => {
    let question: Json | undefined;
    let answer: (value: Json) => void = () => {};
    const answered = new Promise<Json>((resolve) => {
      answer = resolve;
    });
    const ada = await wireOf(gateway, 'ada', 'session', {
      onMessage: (message: Json) => {
        if ('id' in message) question = message;
      },
      answer: () => answered,
    }).open();
    const call = ada.request('tools/call', { name: 'docs___ask' });
    await expect.poll(() => question?.['id']).toBeTypeOf('string');
    const forged = {
      jsonrpc: '2.0',
      id: question?.['id'],
      result: { action: 'accept', content: { who: 'someone else' } },
    };
    for (const who of OTHERS) {
      const other = await wireOf(gateway, who, 'session').open();
      expect((await other.post(forged)).status).toBe(202);
    }
    await wireOf(gateway, 'ann', 'stateless').post(forged);
    answer({ action: 'accept', content: { who: 'ada' } });
    expect((await call).result?.['structuredContent']).toEqual({ action: 'accept', content: { who: 'ada' } });
  }));

test('a cancellation reaches the sender’s own call only', () => {
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let isRunning = false;
  const target = scriptedTarget('docs', [tool('wait')], async (_, __, context) => {
    isRunning = true;
    await Promise.race([finished, new Promise((resolve) => context.signal.addEventListener('abort', resolve))]);
    return JSON.stringify({ content: [], structuredContent: { aborted: context.signal.aborted } });
  });
  return shared({ targets: [target] }, async (gateway) => {
    const ada = await wireOf(gateway, 'ada', 'session').open();
    const call = ada.request('tools/call', { name: 'docs___wait' }, { id: 7 });
    await expect.poll(() => isRunning).toBe(true);
    for (const who of OTHERS) {
      const other = await wireOf(gateway, who, 'session').open();
      expect((await other.notify('notifications/cancelled', { requestId: 7 })).status).toBe(202);
    }
    finish();
    expect((await call).result?.['structuredContent']).toEqual({ aborted: false });
  });
});

test('an event id of one session replays nothing to another', () => {
  const target = scriptedTarget('docs', [tool('get')], (_, exchanged) => {
    exchanged.notify('notifications/message', '{"level":"info","data":"secret of ada"}');
    return '{"content":[{"type":"text","text":"secret of ada"}]}';
  });
  return shared({ targets: [target] }, async (gateway) => {
    const ada = await wireOf(gateway, 'ada', 'session').open();
    const said = await ada.request('tools/call', { name: 'docs___get' });
    expect(JSON.stringify(said.messages)).toContain('secret of ada');
    for (const who of OTHERS) {
      const messages: Json[] = [];
      const other = await wireOf(gateway, who, 'session', {
        onMessage: (message: Json) => messages.push(message),
      }).open();
      for (const id of ['p1.0', 'g1.0', 'p2.0']) {
        const stream = await other.listen({ 'last-event-id': id });
        expect(stream.status).toBe(200);
        stream.stop();
      }
      await other.request('ping');
      expect(JSON.stringify(messages)).not.toContain('secret');
    }
  });
});

test.each<WireEra>(['modern', 'session', 'stateless', 'sse'])(
  'two hundred calls at once with the same id each get their own answer (%s)',
  (era) => {
    const waiting: (() => void)[] = [];
    const target = scriptedTarget('docs', [tool('echo')], async (call, _, context) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        // Answered in the reverse of their order, when all are there.
        if (waiting.length === 200) for (const run of waiting.toReversed()) run();
      });
      const args = call.parsed['arguments'] as Json;
      return JSON.stringify({
        content: [],
        structuredContent: { ...args, tenant: context.tenant, who: context.principal.id },
      });
    });
    return shared({ targets: [target] }, async (gateway) => {
      const calls = Array.from({ length: 200 }, async (_, n) => {
        const who = ['ada', 'ann', 'bob'][n % 3] ?? '';
        const wire = await wireOf(gateway, who, era).open();
        const reply = await wire.request('tools/call', { name: 'docs___echo', arguments: { n } }, { id: 'same' });
        await wire.close();
        const { id, tenant } = PEOPLE.get(who) ?? { id: '', tenant: '' };
        expect(reply.messages.at(-1)?.['id']).toBe('same');
        expect(reply.result?.['structuredContent']).toEqual({ n, tenant, who: id });
      });
      await Promise.all(calls);
    });
  },
);

/** A target of one tenant with one of everything. */
const owned = (id: string, tenants: readonly string[] | undefined): ScriptedTarget =>
  scriptedTarget(
    id,
    [
      tool('get'),
      define('prompt', { name: 'say' }),
      define('resource', { uri: 'memo:x', name: 'x' }),
      define('template', { uriTemplate: 'memo:{x}', name: 'x' }),
    ],
    () => '{"content":[],"messages":[],"contents":[],"completion":{"values":[]}}',
    tenants === undefined ? {} : ({ tenants } satisfies Partial<Target>),
  );

const targets = () => [owned('all', undefined), owned('only-a', ['team-a']), owned('only-b', ['team-b'])];

test('lists never cross tenants', () =>
  shared({ targets: targets() }, async (gateway) => {
    for (const [who, visible] of [
      ['ada', ['all', 'only-a']],
      ['bob', ['all', 'only-b']],
    ] as const)
      for (const era of ['modern', 'stateless'] as const)
        for (const [method, member, key] of [
          ['tools/list', 'tools', 'name'],
          ['prompts/list', 'prompts', 'name'],
          ['resources/list', 'resources', 'uri'],
          ['resources/templates/list', 'resourceTemplates', 'uriTemplate'],
        ] as const) {
          const listed = (await wireOf(gateway, who, era).request(method)).result?.[member] as Json[];
          const prefixes = listed.map((item) => String(item[key]).split(/___|\+/)[0]);
          expect(prefixes, `${who} ${method}`).toEqual(visible);
        }
  }));

test('what another tenant has answers like what nobody has', () =>
  shared({ targets: targets() }, async (gateway) => {
    const cases: readonly (readonly [
      method: string,
      params: (target: string) => Json,
      name: (target: string) => string,
    ])[] = [
      ['tools/call', (target) => ({ name: `${target}___get` }), (target) => `${target}___get`],
      ['prompts/get', (target) => ({ name: `${target}___say` }), (target) => `${target}___say`],
      ['resources/read', (target) => ({ uri: `${target}+memo:x` }), (target) => `${target}+memo:x`],
      ['resources/read', (target) => ({ uri: `ui://${target}/x` }), (target) => `ui://${target}/x`],
      [
        'completion/complete',
        (target) => ({ ref: { type: 'ref/prompt', name: `${target}___say` }, argument: { name: 'a', value: '' } }),
        (target) => `${target}___say`,
      ],
    ];
    for (const [method, params, name] of cases) {
      const ask = async (target: string): Promise<unknown> =>
        bare(await wireOf(gateway, 'bob').request(method, params(target), { id: 1 }), name(target));
      const foreign = await ask('only-a');
      expect(foreign).toEqual([200, expect.stringContaining('-32602')]);
      expect(foreign, method).toEqual(await ask('no-such'));
    }
    const endpoint = async (target: string): Promise<unknown> => {
      const wire = wireOf(gateway, 'bob', 'modern', { url: `${gateway.mcp}/${target}` });
      return bare(await wire.request('tools/list', {}, { id: 1 }), target);
    };
    expect(await endpoint('only-a')).toEqual([404, expect.stringContaining('-32600')]);
    expect(await endpoint('only-a')).toEqual(await endpoint('no-such'));
  }));

test('an error names the visible targets only', () =>
  shared({ targets: targets() }, async (gateway) => {
    const refused = await wireOf(gateway, 'bob').request('tools/call', { name: 'only-a___get' });
    expect(refused.error?.data).toMatchObject({ knownTargets: ['all', 'only-b', 'registry'] });
    expect(refused.text).not.toMatch(/only-a(?!___get)/);
  }));

test('changes are told to the tenants that may see them', () => {
  const [all, onlyA, onlyB] = targets() as [ScriptedTarget, ScriptedTarget, ScriptedTarget];
  return shared({ targets: [all, onlyA, onlyB] }, async (gateway) => {
    for (const who of ['ada', 'bob']) await wireOf(gateway, who).request('tools/list');
    const told: Record<'ada' | 'bob', string[]> = { ada: [], bob: [] };
    const streams = await Promise.all(
      (['ada', 'bob'] as const).map((who) =>
        wireOf(gateway, who, 'modern', {
          onMessage: (message: Json) => told[who].push(String(message['method'])),
        }).subscribe({ toolsListChanged: true, resourceSubscriptions: ['all+memo:x'] }),
      ),
    );
    // Everything that happened before a mark is told before it.
    const mark = async (count: number): Promise<void> => {
      all.announce({ kind: 'resource', uri: 'memo:x' });
      const marks = (who: 'ada' | 'bob') => told[who].filter((method) => method.endsWith('/updated')).length;
      await expect.poll(() => [marks('ada'), marks('bob')]).toEqual([count, count]);
    };
    const changes = (who: 'ada' | 'bob'): number => told[who].filter((method) => method.includes('tools')).length;
    await mark(1);
    const before = { ada: changes('ada'), bob: changes('bob') };
    onlyA.definitions = [...onlyA.definitions, tool('new')];
    onlyA.announce({ kind: 'tools' });
    await expect.poll(() => changes('ada')).toBe(before.ada + 1);
    await mark(2);
    expect(changes('bob')).toBe(before.bob);
    for (const stream of streams) stream.stop();
  });
});

const registration = {
  type: 'tool',
  name: 'greet',
  description: 'Greets.',
  lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
  parameters: { type: 'object', properties: {} },
};

test('a registration belongs to its tenant: others neither list, read, change nor call it', () =>
  shared({}, async (gateway) => {
    const admin = async (who: string, method: string, path: string, body?: object) => {
      const answer = await exchange({
        url: gateway.admin + path,
        method,
        headers: { authorization: `Bearer ${who}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, text: await textOf(answer.body) };
    };
    expect((await admin('ada', 'POST', '', registration)).status).toBe(201);
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', registration],
      ['DELETE', undefined],
    ] as const) {
      const strip = (text: string, id: string): string =>
        text.replaceAll(id, 'NAME').replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
      const foreign = await admin('bob', method, '/tool-greet', body);
      const named = body === undefined ? undefined : { ...body, name: 'other' };
      const unknown = await admin('bob', method, '/tool-other', named);
      expect(foreign.status, method).toBe(404);
      expect(strip(foreign.text, 'tool-greet')).toBe(strip(unknown.text, 'tool-other'));
    }
    const names = async (who: string): Promise<unknown[]> => {
      const { result } = await wireOf(gateway, who).request('tools/list');
      return ((result?.['tools'] ?? []) as Json[]).map((listed) => listed['name']);
    };
    expect(await names('ada')).toEqual(['greet']);
    expect(await names('ann')).toEqual(['greet']);
    expect(await names('bob')).toEqual([]);
    expect((await wireOf(gateway, 'bob').request('tools/call', { name: 'greet' })).error?.code).toBe(-32602);
    expect((await admin('bob', 'POST', '', registration)).status, 'the same name in another tenant').toBe(201);
    expect((await admin('ada', 'GET', '/tool-greet')).status).toBe(200);
  }));

test('a caller without the scope is refused before any name is read', () =>
  shared({ targets: targets() }, async (gateway) => {
    for (const params of [{ name: 'all___get' }, { name: 'no-such' }]) {
      const refused = await wireOf(gateway, 'eve').request('tools/call', params);
      expect(refused).toMatchObject({ status: 403, error: { code: -32600 } });
      expect(refused.headers['www-authenticate']).toMatch(/error="insufficient_scope".*scope="zeroplane:use"/);
      expect(refused.text).not.toContain(params.name);
    }
    const sse = await exchange({ url: `${gateway.url}/sse`, method: 'GET', headers: { authorization: 'Bearer eve' } });
    expect(sse.status).toBe(403);
    sse.abort();
  }));

/** Hides `secret`, and refuses `pay` for large amounts. */
const policy: Policy = {
  decide: ({ resource, context }) => {
    if (resource.id.endsWith('___secret')) return Promise.resolve({ allowed: false, visible: false });
    const tooMuch = resource.id.endsWith('___pay') && Number(context.arguments?.['amount'] ?? 0) > 100;
    return Promise.resolve(
      tooMuch
        ? { allowed: false, visible: true, rule: 'pay-limit', reason: 'at most 100' }
        : { allowed: true, visible: true },
    );
  },
  decideMany: (principal, action, resources, context) =>
    Promise.all(resources.map(async (resource) => policy.decide({ principal, action, resource, context }))),
};

test('a tool that policy hides is not listed, and answers like one that does not exist', () =>
  shared(
    { policy, targets: [scriptedTarget('docs', [tool('secret'), tool('pay')], () => '{"content":[]}')] },
    async (gateway) => {
      const listed = (await wireOf(gateway, 'ada').request('tools/list')).result?.['tools'] as Json[];
      expect(listed.map((item) => item['name'])).toEqual(['docs___pay']);
      for (const era of ['modern', 'stateless'] as const) {
        const ask = async (name: string): Promise<unknown> =>
          bare(await wireOf(gateway, 'ada', era).request('tools/call', { name }, { id: 1 }), name);
        expect(await ask('docs___secret')).toEqual(await ask('docs___nothing'));
        expect(await ask('secret')).toEqual(await ask('nothing'));
      }
    },
  ));

test('a visible tool that is refused for its arguments is a result that names the rule', () =>
  shared({ policy, targets: [scriptedTarget('docs', [tool('pay')], () => '{"content":[]}')] }, async (gateway) => {
    for (const era of ['modern', 'stateless'] as const) {
      const pay = (amount: number) =>
        wireOf(gateway, 'ada', era).request('tools/call', { name: 'docs___pay', arguments: { amount } });
      expect((await pay(100)).result?.['isError']).toBeUndefined();
      const refused = await pay(101);
      expect(refused).toMatchObject({ status: 200, result: { isError: true } });
      expect(JSON.stringify(refused.result?.['content'])).toMatch(/FORBIDDEN.*pay-limit.*at most 100/);
    }
  }));
