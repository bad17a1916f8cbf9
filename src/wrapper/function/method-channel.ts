/**
 * `{method, params}` as events and `{statusCode, body}` as replies, for functions that know MCP's methods but neither
 * JSON-RPC nor a handshake. To the rest of the gateway such a function is a server of the older revisions.
 */

import type { Context } from '../../core/context.ts';
import type { OutgoingRequest } from './function-channel.ts';
import { isObject } from '../../core/json.ts';
import { targetProtocolError } from '../../upstream/failures.ts';
import { LEGACY_OFFER } from '../../upstream/revisions.ts';
import { FunctionChannel } from './function-channel.ts';
import { hasThrown, methodEvent, readReply, responseBody } from './function-reply.ts';

export class MethodChannel extends FunctionChannel {
  /** Whether the function answers `initialize`; `undefined` until it was asked. */
  introduces: boolean | undefined;

  protected async answer(_text: string, outgoing: OutgoingRequest, context: Context): Promise<void> {
    const { id, request } = outgoing;
    const body =
      request.method === 'initialize'
        ? await this.#introduction(outgoing, context)
        : await this.#ask(outgoing, context, request);
    this.deliver(`{"jsonrpc":"2.0","id":${id},${body}}`, outgoing);
  }

  /** @returns `"result":…` or `"error":…`. */
  async #ask(
    outgoing: OutgoingRequest,
    context: Context,
    request: Pick<OutgoingRequest['request'], 'method' | 'params'>,
  ): Promise<string> {
    const { payload } = await this.invoke(methodEvent(request), outgoing, context);
    const body = responseBody(request.method, readReply(payload), this.endpoint);
    if (body !== undefined) return body;
    throw targetProtocolError(this.endpoint.target, request.method, `no result: ${payload.slice(0, 200)}`);
  }

  /** The function's own introduction, where it has one; otherwise it is taken to have tools, once it has listed them. */
  async #introduction(outgoing: OutgoingRequest, context: Context): Promise<string> {
    const own = this.introduces === false ? undefined : await this.#ownIntroduction(outgoing, context);
    this.introduces = own !== undefined;
    if (own !== undefined) return own;
    const listed = await this.#ask(outgoing, context, { method: 'tools/list', params: [] });
    const { result } = JSON.parse(`{${listed}}`) as { readonly result?: unknown };
    if (!isObject(result) || !Array.isArray(result['tools']))
      throw targetProtocolError(this.endpoint.target, 'tools/list', `no list of tools: ${listed.slice(0, 200)}`);
    const { functionName } = this.endpoint;
    return `"result":${JSON.stringify({
      protocolVersion: LEGACY_OFFER,
      capabilities: { tools: {} },
      serverInfo: { name: functionName, version: '0' },
    })}`;
  }

  async #ownIntroduction(outgoing: OutgoingRequest, context: Context): Promise<string | undefined> {
    try {
      const body = await this.#ask(outgoing, context, outgoing.request);
      return isIntroduction(body) ? body : undefined;
    } catch (error) {
      if (isUnknownMethod(error)) return undefined;
      throw error;
    }
  }
}

function isIntroduction(body: string): boolean {
  const { result } = JSON.parse(`{${body}}`) as { readonly result?: unknown };
  return isObject(result) && typeof result['protocolVersion'] === 'string' && isObject(result['capabilities']);
}

/** Such functions answer a method that they do not know by an exception, a status, or something of their own. */
function isUnknownMethod(error: unknown): boolean {
  const { code, details } = error as { readonly code?: string; readonly details?: Readonly<Record<string, unknown>> };
  return hasThrown(error) || code === 'TARGET_PROTOCOL_ERROR' || details?.['status'] !== undefined;
}
