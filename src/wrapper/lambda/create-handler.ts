/** The handler of a function that is an MCP server: it recognises by itself in which form it is invoked. */

import type { HandlerOptions } from './handler-core.ts';
import type { LambdaContext } from './lambda-event.ts';
import { answerJsonRpc, answerMethod, isMethodEvent } from './direct-events.ts';
import { HandlerCore } from './handler-core.ts';

export interface WrappedHandler {
  (event: unknown, context?: LambdaContext): Promise<unknown>;
  /** Ends the server's processes; resolves when none is left. The next call starts one again. */
  close(): Promise<void>;
  /** Process ids of the server's live processes. */
  pids(): readonly number[];
}

/**
 * Makes a Lambda handler out of a stdio MCP server. The server starts with the first call and stays for the next ones.
 *
 *     export const handler = createHandler({ command: 'node', args: ['server.js'] });
 *
 * Answers `{method, params}` with `{statusCode, body}`, JSON-RPC with JSON-RPC.
 */
export function createHandler(options: HandlerOptions): WrappedHandler {
  const core = new HandlerCore(options);
  const handler = (event: unknown, context: LambdaContext = {}): Promise<unknown> =>
    core.invocation(event, context, async (runner): Promise<unknown> => {
      if (isMethodEvent(event)) return answerMethod(event, runner);
      return answerJsonRpc(event, runner);
    });
  return Object.assign(handler, { close: () => core.close(), pids: () => core.pool.pids() });
}
