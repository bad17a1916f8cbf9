/** A server that is a function is for nobody whom its function is not for, and carries the function's tags. */

import { parseFunctionReference } from '../core/lambda-arn.ts';
import { inheritTags } from '../core/visibility.ts';
import type { CheckedConfig, CheckedServer } from './validate.ts';

/** The server with what it has from its function, when that is one of the configuration. */
export function withFunction(server: CheckedServer, functions: CheckedConfig['base']['functions']): CheckedServer {
  if (server.kind !== 'function') return server;
  const name = parseFunctionReference(server.function)?.name;
  const own = name !== undefined && Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (own === undefined) return server;
  const tenants = common(server.tenants, own.tenants);
  const tags = inheritTags(server.tags, own.tags);
  return {
    ...server,
    ...(tenants === undefined ? {} : { tenants: [...tenants] }),
    ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { tags: { ...tags } }),
  };
}

/** Tenants of both; a list that is absent is everybody. */
function common(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.filter((tenant) => other.includes(tenant));
}
