/**
 * The client that the conformance suite's client leg drives: the product's own upstream half (target,
 * conversation, connector) behind a short script per scenario.
 *
 * The suite appends the server's URL to the command and names the scenario in `MCP_CONFORMANCE_SCENARIO`, the
 * calls to make in `MCP_CONFORMANCE_CONTEXT`, the revision in `MCP_CONFORMANCE_PROTOCOL_VERSION`.
 */

import type { Clock, Egress, EgressRequest, EgressResponse, Logger } from '../../src/core/ports.ts';
import type { Definition, Exchange, Target, TargetCall, TargetListing } from '../../src/core/target.ts';
import { createEgress } from '../../src/adapters/embedded/egress.ts';
import { createHttpConnector } from '../../src/adapters/remote-mcp/http-connector.ts';
import { headerObjection } from '../../src/adapters/remote-mcp/param-headers.ts';
import { Context } from '../../src/core/context.ts';
import { McpTarget } from '../../src/upstream/mcp-target.ts';

type Json = Record<string, unknown>;

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
const log: Logger = { log: () => undefined, with: () => log };
const principal = { id: 'conformance', tenant: 'conformance', roles: [], scopes: [] };
const context = new Context({ principal, requestId: 'conformance', clock, timeoutMs: 25_000, log });
const TIMEOUT_MS = 10_000;

const egress = createEgress({ clock });

/**
 * Some scenarios' servers know neither `server/discover` nor `initialize`; they test what comes after. For these
 * the harness answers the discovery itself, and everything else reaches the server.
 */
function withDiscovery(inner: Egress): Egress {
  const answer = (id: unknown): string =>
    JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: {
        resultType: 'complete',
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: {}, resources: {}, prompts: {} },
        ttlMs: 0,
        cacheScope: 'private',
      },
    });
  return {
    async request(request: EgressRequest): Promise<EgressResponse> {
      const message = JSON.parse(request.body ?? '{}') as Json;
      if (message['method'] !== 'server/discover') return inner.request(request);
      const headers = { 'content-type': 'application/json' };
      const bytes = Buffer.from(answer(message['id']));
      return {
        status: 200,
        headers,
        body: (async function* body() {
          yield bytes;
        })(),
      };
    },
  };
}

const answers: Record<string, (params: Json) => Json> = {
  'elicitation/create': (params) => ({
    action: 'accept',
    content: filledIn(params['requestedSchema'] as Json | undefined),
  }),
};

/** A user who accepts every default and says yes to every question without one. */
function filledIn(schema: Json | undefined): Json {
  const content: Json = {};
  for (const [name, property] of Object.entries((schema?.['properties'] ?? {}) as Record<string, Json>)) {
    if ('default' in property) content[name] = property['default'];
    else if (property['type'] === 'boolean') content[name] = true;
  }
  return content;
}

const ask = (method: string, params: Json): Json => answers[method]?.(params) ?? { action: 'decline' };

function exchangeOf(capabilities: Json): Exchange {
  return {
    capabilities,
    canAsk: true,
    wantsProgress: false,
    notify: () => undefined,
    ask: (method, paramsText) => Promise.resolve(JSON.stringify(ask(method, JSON.parse(paramsText) as Json))),
  };
}

class Harness {
  readonly target: Target;
  readonly exchange: Exchange;
  listing: TargetListing = { definitions: [], capabilities: {} };

  constructor(target: Target, capabilities: Json) {
    this.target = target;
    this.exchange = exchangeOf(capabilities);
  }

  async list(): Promise<readonly Definition[]> {
    this.listing = await this.target.list(context);
    return this.listing.definitions;
  }

  /** Calls, and repeats the call with answers while the server asks. */
  async call(method: string, params: Json): Promise<Json> {
    let answered: Json = params;
    for (let round = 0; round < 8; round++) {
      const result = await this.#once(method, answered);
      if (result['resultType'] !== 'input_required') return result;
      answered = { ...params, ...this.#answers(result) };
    }
    throw new Error('the server asked more than eight times');
  }

  async #once(method: string, params: Json): Promise<Json> {
    const name = String(params['name'] ?? params['uri']);
    const definition = this.listing.definitions.find((each) => each.key === name);
    const call: TargetCall = {
      method,
      name,
      params: Object.entries(params).map(([key, value]) => ({ key, text: JSON.stringify(value) })),
      meta: [],
      parsed: params,
      repeatable: false,
      ...(definition === undefined ? {} : { definition }),
    };
    return JSON.parse((await this.target.call(call, this.exchange, context)).text) as Json;
  }

  #answers(result: Json): Json {
    const questions = (result['inputRequests'] ?? {}) as Record<string, { method: string; params?: Json }>;
    const inputResponses: Json = {};
    for (const [key, question] of Object.entries(questions))
      inputResponses[key] = ask(question.method, question.params ?? {});
    const state = result['requestState'];
    return { inputResponses, ...(state === undefined ? {} : { requestState: state }) };
  }
}

const tool = (harness: Harness, name: string, args: Json = {}): Promise<Json> =>
  harness.call('tools/call', { name, arguments: args });

interface Scenario {
  readonly declare?: Json;
  readonly answerDiscovery?: boolean;
  run(harness: Harness): Promise<unknown>;
}

async function callFirstOfEach(harness: Harness): Promise<void> {
  const listed = await harness.list();
  const first = (kind: Definition['kind']): string | undefined =>
    listed.find((definition) => definition.kind === kind)?.key;
  const [name, uri, prompt] = [first('tool'), first('resource'), first('prompt')];
  if (name !== undefined) await tool(harness, name);
  if (uri !== undefined) await harness.call('resources/read', { uri });
  if (prompt !== undefined) await harness.call('prompts/get', { name: prompt, arguments: {} });
}

async function callContext(harness: Harness): Promise<void> {
  await harness.list();
  const { toolCalls = [] } = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as {
    toolCalls?: { name: string; arguments: Json }[];
  };
  for (const call of toolCalls) await tool(harness, call.name, call.arguments);
}

async function callEverythingListed(harness: Harness): Promise<void> {
  for (const definition of await harness.list())
    if (definition.kind === 'tool') await tool(harness, definition.key, { region: 'us-west1' });
}

async function callRounds(harness: Harness): Promise<void> {
  await harness.list();
  for (const name of ['test_mrtr_echo_state', 'test_mrtr_no_state', 'test_mrtr_unrelated', 'test_mrtr_no_result_type'])
    await tool(harness, name);
}

const declareAll = { roots: { listChanged: true }, sampling: {}, elicitation: {} };

const scenarios: Record<string, Scenario> = {
  initialize: { run: (harness) => harness.list() },
  tools_call: { run: async (harness) => harness.list().then(() => tool(harness, 'add_numbers', { a: 5, b: 3 })) },
  'request-metadata': { declare: declareAll, run: (harness) => harness.list() },
  'elicitation-sep1034-client-defaults': {
    declare: { elicitation: { form: { applyDefaults: true } } },
    run: async (harness) => harness.list().then(() => tool(harness, 'test_client_elicitation_defaults')),
  },
  'sse-retry': { run: async (harness) => harness.list().then(() => tool(harness, 'test_reconnection')) },
  'sep-2322-client-request-state': { declare: { elicitation: {} }, answerDiscovery: true, run: callRounds },
  'http-standard-headers': { answerDiscovery: true, run: callFirstOfEach },
  'http-custom-headers': { answerDiscovery: true, run: callContext },
  'http-invalid-tool-headers': { answerDiscovery: true, run: callEverythingListed },
  'json-schema-ref-no-deref': { run: (harness) => harness.list() },
};

async function main(name: string, url: string): Promise<void> {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`no script for the scenario "${name}"`);
  const connector = createHttpConnector({
    target: 'server',
    url,
    origin: 'operator',
    egress: scenario.answerDiscovery === true ? withDiscovery(egress) : egress,
    clock,
    clientInfo: { name: 'zeroplane', version: '0.0.0' },
  });
  const timeouts = { timeoutMs: TIMEOUT_MS, openTimeoutMs: TIMEOUT_MS };
  const target = new McpTarget({ id: 'server', connector, clock, log, objection: headerObjection, ...timeouts });
  await scenario.run(new Harness(target, scenario.declare ?? {}));
  await target.close();
  egress.close();
}

try {
  await main(process.env['MCP_CONFORMANCE_SCENARIO'] ?? '', process.argv.at(-1) ?? '');
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
