/**
 * Events of a Bedrock AgentCore gateway: the event is the tool's arguments, the tool's name stands in the client
 * context. The answer is the bare result; an error is thrown, because that is how the gateway learns of it.
 */

import type { JsonRpcObject, LambdaContext } from './lambda-event.ts';
import { isObject } from '../../core/json.ts';
import { customContext } from './invocation.ts';

const TOOL_NAME = 'bedrockAgentCoreToolName';
const DELIMITER = '___';

/** Whether the invocation names a tool as AgentCore does. A JSON-RPC message stays one, whoever sends it. */
export function isAgentCoreEvent(event: unknown, context: LambdaContext): boolean {
  if (isObject(event) && event['jsonrpc'] === '2.0' && typeof event['method'] === 'string') return false;
  return customContext(context).has(TOOL_NAME);
}

/**
 * The bare name of the tool, behind the first `___`.
 *
 * @throws Error in the words of the original library.
 */
function agentCoreTool(context: LambdaContext): string {
  const full = customContext(context).get(TOOL_NAME);
  if (full === undefined || full === '') throw new Error(`Missing ${TOOL_NAME} in context`);
  const at = full.indexOf(DELIMITER);
  if (at < 0) throw new Error(`Invalid gateway tool name format: ${full}`);
  const tool = full.slice(at + DELIMITER.length);
  if (tool === '') throw new Error(`Empty tool name extracted from: ${full}`);
  return tool;
}

/** The request that such an event stands for. */
export function agentCoreRequest(event: unknown, context: LambdaContext): JsonRpcObject {
  const name = agentCoreTool(context);
  return { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: event } };
}

/** The bare result of an answer. @throws Error with the words of a JSON-RPC error. */
export function agentCoreResult(answer: JsonRpcObject): unknown {
  const { error } = answer;
  if (isObject(error)) throw new Error(String(error['message']));
  return answer['result'];
}
