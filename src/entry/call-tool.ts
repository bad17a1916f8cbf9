/** Calls a tool from within, on the way that every client's call takes: policy, ledger, limits and events included. */

import { randomUUID } from 'node:crypto';
import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Clock } from '../core/ports.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { isStream, type GatewayRequest, type Reply } from '../gateway/reply.ts';
import type { ToolCaller } from '../workflows/task-runner.ts';

const REVISION = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': REVISION,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'zeroplane-workflows', version: '1' },
};

export function toolCaller(gateway: () => Gateway, clock: Clock): ToolCaller {
  return async (name, args, { idempotencyKey, context: of, signal }) => {
    const timeoutMs = Math.max(0, of.deadlineMs - clock.monotonicMs());
    const { principal, log, trace, hops } = of;
    const context = new Context({ principal, requestId: randomUUID(), clock, timeoutMs, log, trace, hops });
    signal.addEventListener('abort', () => context.abort(signal.reason), { once: true });
    const _meta = { ...META, 'io.zeroplane/idempotencyKey': idempotencyKey };
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: args, _meta },
    });
    return resultOf(name, await gateway().handle(requestOf(name, body), context));
  };
}

function requestOf(name: string, body: string): GatewayRequest {
  return {
    method: 'POST',
    path: '/mcp',
    query: '',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      'mcp-protocol-version': REVISION,
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
    readBody: () => Promise.resolve(Buffer.from(body)),
    onDisconnect: () => undefined,
  };
}

/** @throws PlatformError `UNKNOWN_NAME`, `FUNCTION_FAILED` with the words of a protocol error. */
async function resultOf(name: string, reply: Reply): Promise<Readonly<Record<string, unknown>>> {
  const text = await textOf(reply);
  const message = JSON.parse(text) as { readonly result?: unknown; readonly error?: { readonly message?: string } };
  if (isObject(message.result)) {
    if (message.result['resultType'] === 'input_required')
      throw new PlatformError(
        'CLIENT_CANNOT_ANSWER',
        `The tool "${name}" asks its caller something, and a workflow cannot answer.`,
      );
    return message.result;
  }
  const words = message.error?.message ?? `status ${reply.status}`;
  throw new PlatformError('UNKNOWN_NAME', `The tool "${name}" could not be called: ${words}.`);
}

async function textOf({ body }: Reply): Promise<string> {
  if (typeof body === 'string') return body;
  if (!isStream(body))
    return body.map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('utf8'))).join('');
  throw new PlatformError('INTERNAL', 'A call from within was answered by a stream.');
}
