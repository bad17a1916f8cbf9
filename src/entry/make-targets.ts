/** From configuration to targets. The only place that knows which adapter serves which kind of entry. */

import { parseFunctionReference } from '../core/lambda-arn.ts';
import type { BackendLabel, Clock, Egress, FunctionInvoker, Logger } from '../core/ports.ts';
import type { Target } from '../core/target.ts';
import { inheritTags, type Tags } from '../core/visibility.ts';
import type { FunctionServer, RemoteServer, ServerConfig, StdioServer } from '../config/schema.ts';
import { createHttpConnector } from '../adapters/remote-mcp/http-connector.ts';
import { headerObjection } from '../adapters/remote-mcp/param-headers.ts';
import { RemoteVerdicts } from '../adapters/remote-mcp/remote-verdicts.ts';
import type { ServerRegistration } from '../registry/registration.ts';
import { McpTarget } from '../upstream/mcp-target.ts';
import { EraVerdicts } from '../upstream/negotiate.ts';
import { childEnvironment } from '../wrapper/environment.ts';
import { FunctionConnector } from '../wrapper/function/function-connector.ts';
import { StdioConnector } from '../wrapper/stdio-connector.ts';

export interface TargetFactoryParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly egress: Egress;
  readonly identity: { readonly name: string; readonly version: string };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What invokes the functions that are servers. */
  readonly invoker: FunctionInvoker;
  /** Calls back with the name of a function that has changed; the result stops. */
  readonly onFunctionChange: (listener: (name: string) => void) => () => void;
}

function isLoopbackUrl(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

/** Host variables that the configuration passes on by name. */
function inherited(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

/** Who may see a target, as far as its own entry decides. */
function reach({
  tenants,
  tags,
}: {
  readonly tenants?: readonly string[] | undefined;
  readonly tags?: Tags | undefined;
}): {
  readonly tenants?: readonly string[];
  readonly tags?: Tags;
} {
  return { ...(tenants === undefined ? {} : { tenants }), ...(tags === undefined ? {} : { tags }) };
}

export class TargetFactory {
  readonly #parts: TargetFactoryParts;
  readonly #eras: EraVerdicts;
  readonly #remotes: RemoteVerdicts;

  constructor(parts: TargetFactoryParts) {
    this.#parts = parts;
    this.#eras = new EraVerdicts(parts.clock);
    this.#remotes = new RemoteVerdicts(parts.clock);
  }

  /** A server of the operator's configuration. */
  configured(id: string, server: ServerConfig): Target {
    switch (server.kind) {
      case 'stdio':
        return this.#stdio(id, server);
      case 'function':
        return this.#function(id, server);
      default:
        return this.#remote(id, server);
    }
  }

  #stdio(id: string, server: StdioServer): Target {
    const { clock, log, env, identity } = this.#parts;
    const connector = new StdioConnector({
      target: id,
      command: server.command,
      args: server.args,
      ...(server.cwd === undefined ? {} : { cwd: server.cwd }),
      environment: childEnvironment(env, { ...inherited(env, server.inheritEnv), ...server.env }),
      clock,
      log,
      clientInfo: identity,
      verdicts: this.#eras,
    });
    return new McpTarget({
      id,
      connector,
      clock,
      log,
      timeoutMs: server.timeoutMs,
      openTimeoutMs: server.startTimeoutMs,
      maxDeclaring: server.maxChildren,
      idleMs: server.idleMs,
      ...(server.isolation === undefined ? {} : { isolation: server.isolation }),
      ...reach(server),
    });
  }

  #function(id: string, server: FunctionServer): Target {
    const { clock, log, identity, invoker, onFunctionChange } = this.#parts;
    const name = parseFunctionReference(server.function)?.name;
    const own = invoker.list().find((each) => each.name === name);
    const connector = new FunctionConnector({
      target: id,
      functionName: server.function,
      invoker,
      clock,
      log,
      clientInfo: identity,
      contract: server.contract,
      streams: server.stream,
      onFunctionChange,
      verdicts: this.#eras,
    });
    return new McpTarget({
      id,
      connector,
      clock,
      log,
      label: invoker.label,
      timeoutMs: server.timeoutMs,
      openTimeoutMs: server.startTimeoutMs,
      // A list may be what starts the function.
      listTimeoutMs: server.startTimeoutMs,
      ...reach({ ...server, tags: inheritTags(server.tags, own?.tags) }),
    });
  }

  #remote(id: string, server: RemoteServer): Target {
    const label: BackendLabel = isLoopbackUrl(server.url) ? 'simulated' : 'live';
    return this.#http(id, {
      url: server.url,
      headers: server.headers,
      kind: server.type === 'sse' ? 'sse' : 'http',
      origin: 'operator',
      timeoutMs: server.timeoutMs,
      label,
      ...reach(server),
    });
  }

  /** A server that a tenant registered over HTTP: its URL may not reach private addresses. */
  registered(id: string, { url, tenant, tags }: ServerRegistration): Target {
    const server = { url, headers: {}, kind: 'http', origin: 'caller', label: 'live', tenants: [tenant] } as const;
    return this.#http(id, tags === undefined ? server : { ...server, tags });
  }

  #http(
    id: string,
    server: {
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly kind: 'http' | 'sse';
      readonly origin: 'operator' | 'caller';
      readonly label: BackendLabel;
      readonly timeoutMs?: number;
      readonly tenants?: readonly string[];
      readonly tags?: Readonly<Record<string, string>>;
    },
  ): Target {
    const { clock, log, egress, identity } = this.#parts;
    const { url, headers, kind, origin, label, timeoutMs, tenants, tags } = server;
    const connector = createHttpConnector({
      target: id,
      url,
      headers,
      kind,
      origin,
      egress,
      clock,
      clientInfo: identity,
      verdicts: this.#remotes,
    });
    return new McpTarget({
      id,
      connector,
      clock,
      log,
      label,
      objection: headerObjection,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...reach({ tenants, tags }),
    });
  }
}
