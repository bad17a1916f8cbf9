/** `GET /v1/tools?query=WORDS&limit=N`: the search of `search_tools` for programs, whether or not that tool stands in for a list. */

import type { Context } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { jsonReply } from '../../gateway/reply.ts';
import type { GatewayRequest, Reply } from '../../gateway/reply.ts';
import type { Policy } from '../../policy/decide.ts';
import type { Route } from '../pipeline.ts';
import { problemReply } from '../problem.ts';

export interface ToolsRouteParts {
  readonly gateway: Pick<Gateway, 'catalogue' | 'search'>;
  readonly policy: Policy;
  /** Makes a tenant's own servers known; cheap when called again. */
  readonly prepareTenant: (tenant: string) => Promise<void>;
}

const PATH = '/v1/tools';

export function toolsRoute(parts: ToolsRouteParts): Route {
  return (request, context) => (request.path === PATH ? answer(request, context, parts) : undefined);
}

async function answer(request: GatewayRequest, context: Context, parts: ToolsRouteParts): Promise<Reply> {
  if (request.method !== 'GET') {
    const error = new PlatformError('METHOD_NOT_ALLOWED', `${request.method} is not allowed here. Use GET.`);
    const reply = problemReply(error, context.requestId);
    return { ...reply, headers: { ...reply.headers, allow: 'GET' } };
  }
  const asked = new URLSearchParams(request.query);
  const query = asked.get('query');
  if (query === null || query.trim() === '') {
    const message = 'Say what you look for: /v1/tools?query=WORDS.';
    return problemReply(new PlatformError('INVALID_ARGUMENTS', message), context.requestId);
  }
  const limit = asked.get('limit');
  const found = await find(query, limit === null ? undefined : Number(limit), { context, parts });
  return jsonReply(200, `{"tools":[${found.join(',')}]}`);
}

/** The definitions that fit, as text, best first: of what the caller may list and call. */
async function find(
  query: string,
  limit: number | undefined,
  at: { readonly context: Context; readonly parts: ToolsRouteParts },
): Promise<readonly string[]> {
  const { principal, tenant, requestId } = at.context;
  const { gateway, policy, prepareTenant } = at.parts;
  await prepareTenant(tenant);
  const resource = { type: 'target', id: '', tenant };
  const may = await policy.decide({ principal, action: 'tool:list', resource, context: { requestId } });
  if (!may.allowed) return [];
  const view = await gateway.catalogue.view(tenant, '');
  const decisions = await policy.decideMany(principal, 'tool:call', view.resources('tools'), { requestId });
  return gateway.search.find(view, query, { decisions, limit }).map((tool) => tool.modernText);
}
