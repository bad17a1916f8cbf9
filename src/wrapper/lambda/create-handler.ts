/** The handler of a function that is an MCP server: it recognises by itself in which form it is invoked. */

import type { HandlerOptions } from './handler-core.ts';
import type { LambdaContext } from './lambda-event.ts';
import type { MessageRunner } from './message-runner.ts';
import type { RuntimeStream } from './response-stream.ts';
import { agentCoreRequest, agentCoreResult, isAgentCoreEvent } from './agentcore-event.ts';
import { ServerAnswerer } from './answerers.ts';
import { answerJsonRpc, answerLines, answerMethod, isMethodEvent } from './direct-events.ts';
import { HandlerCore } from './handler-core.ts';
import { customContext } from './invocation.ts';
import { isHttpEvent, readHttpEvent } from './http-event.ts';
import { httpStream, isStream, streamified } from './response-stream.ts';
import { answerHttp } from './streamable-http.ts';

export interface WrappedHandler {
  (event: unknown, context?: LambdaContext): Promise<unknown>;
  /** Of a streaming handler: the answer goes into `stream`. */
  (event: unknown, stream: RuntimeStream, context: LambdaContext): Promise<unknown>;
  /** Ends the server's processes; resolves when none is left. The next call starts one again. */
  close(): Promise<void>;
  /** Process ids of the server's live processes. */
  pids(): readonly number[];
}

/**
 * Makes a Lambda handler out of a stdio MCP server, which is kept warm from one call to the next.
 *
 *     export const handler = createHandler({ command: 'node', args: ['server.js'] });
 *
 * | Event | Answer |
 * |---|---|
 * | Function URL, API Gateway (REST or HTTP API) | Streamable HTTP |
 * | Bedrock AgentCore gateway (tool name in the client context) | the bare result; an error is thrown |
 * | `{method, params}` | `{statusCode, body}` |
 * | JSON-RPC | JSON-RPC; `{}` for a notification. A streaming handler writes progress and log messages before it, line by line, to callers whose client context has `zeroplaneAccept: application/x-ndjson` |
 */
export function createHandler(options: HandlerOptions): WrappedHandler {
  const core = new HandlerCore(options);
  const buffered = (event: unknown, context: LambdaContext = {}): Promise<unknown> =>
    core.invocation(event, context, (runner) => answerEvent(event, context, { runner, options }));
  const streaming = (event: unknown, stream: RuntimeStream, context: LambdaContext): Promise<void> =>
    core.invocation(event, context, (runner) => streamEvent(event, context, { runner, options, stream }));
  const handler = (event: unknown, second?: RuntimeStream | LambdaContext, third?: LambdaContext): Promise<unknown> =>
    isStream(second) ? streaming(event, second, third ?? {}) : buffered(event, second);
  return Object.assign(options.streaming === true ? streamified(handler) : buffered, {
    close: () => core.close(),
    pids: () => core.pool.pids(),
  }) as WrappedHandler;
}

/** In the client context: what a caller of the response stream reads besides JSON. */
const ACCEPT_KEY = 'zeroplaneAccept';
/** JSON-RPC messages line by line: whatever the server tells meanwhile, and then the answer. */
const LINES = 'application/x-ndjson';

interface Answering {
  readonly runner: MessageRunner;
  readonly options: HandlerOptions;
}

async function answerEvent(event: unknown, context: LambdaContext, { runner, options }: Answering): Promise<unknown> {
  if (isAgentCoreEvent(event, context))
    return agentCoreResult(await answerJsonRpc(agentCoreRequest(event, context), runner));
  if (isHttpEvent(event))
    return answerHttp(readHttpEvent(event), new ServerAnswerer(runner, false), { cors: options.cors ?? '*' });
  return isMethodEvent(event) ? answerMethod(event, runner) : answerJsonRpc(event, runner);
}

async function streamEvent(
  event: unknown,
  context: LambdaContext,
  { runner, options, stream }: Answering & { readonly stream: RuntimeStream },
): Promise<void> {
  if (isHttpEvent(event) && !isAgentCoreEvent(event, context)) {
    stream.on?.('close', () => runner.abort(new Error('the caller closed the connection')));
    const out = httpStream(stream, (delayMs, run) => runner.after(delayMs, run));
    await answerHttp(readHttpEvent(event), new ServerAnswerer(runner, true), { cors: options.cors ?? '*' }, out);
    return;
  }
  if (customContext(context).get(ACCEPT_KEY) === LINES && !isMethodEvent(event) && !isAgentCoreEvent(event, context)) {
    stream.setContentType?.(LINES);
    await answerLines(event, runner, (messageText) => void stream.write(`${messageText}\n`));
    stream.end();
    return;
  }
  const answer = await answerEvent(event, context, { runner, options });
  stream.setContentType?.('application/json');
  stream.write(JSON.stringify(answer));
  stream.end();
}
