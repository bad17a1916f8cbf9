/**
 * What a function that is an MCP server receives and returns, in either of two contracts: a JSON-RPC message, answered
 * by one, or `{method, params}`, answered by `{statusCode, body}`. Results pass as the text that the function wrote.
 */

import type { ConversationRequest } from '../../upstream/conversation.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject, joinMembers, rawMembers, scan } from '../../core/json.ts';
import type { RawMember } from '../../core/json.ts';

/** Of a function's own words this much is passed on. */
const MAX_WORDS = 2_000;

/** A function's answer with its envelope taken off. */
export interface FunctionReply {
  /** JSON text; of an answer that is no JSON, the answer itself. */
  readonly text: string;
  readonly isJson: boolean;
  readonly value: unknown;
  /** Of an object: its members as they stand. */
  readonly members: readonly RawMember[];
  /** `statusCode` of the envelope, where there was one. */
  readonly status: number | undefined;
}

/** Takes the HTTP-like envelope off, whether its `body` is JSON, JSON text, or that in Base64. */
export function readReply(payload: string): FunctionReply {
  const reply = parse(payload);
  if (!isObject(reply.value)) return reply;
  const { statusCode: status, body, isBase64Encoded } = reply.value;
  if (typeof status !== 'number' || 'jsonrpc' in reply.value) return reply;
  if (typeof body !== 'string') {
    const text = reply.members.find((member) => member.key === 'body')?.text ?? 'null';
    return { ...parse(text), status };
  }
  return { ...parse(isBase64Encoded === true ? Buffer.from(body, 'base64').toString('utf8') : body), status };
}

function parse(text: string): FunctionReply {
  try {
    const { value, object } = scan(text, 1);
    const members = object === undefined ? [] : rawMembers(text, object);
    return { text, isJson: true, value, members, status: undefined };
  } catch {
    return { text, isJson: false, value: text, members: [], status: undefined };
  }
}

/** Whether a reply is a JSON-RPC response. */
export function isResponse({ value }: FunctionReply): boolean {
  return isObject(value) && value['jsonrpc'] === '2.0' && ('result' in value || 'error' in value);
}

/** The event of the contract `{method, params}`. Protocol metadata is left out: such functions know the bare parameters. */
export function methodEvent({ method, params }: Pick<ConversationRequest, 'method' | 'params'>): string {
  const needsArguments = method === 'tools/call' && !params.some((member) => member.key === 'arguments');
  const whole = needsArguments ? [...params, { key: 'arguments', text: '{}' }] : params;
  return `{"method":${JSON.stringify(method)},"params":${joinMembers(whole)}}`;
}

/**
 * The body of a JSON-RPC response (`"result":…` or `"error":…`) in a reply of the contract `{method, params}`.
 *
 * @returns `undefined` for a reply that is no answer to this method.
 * @throws PlatformError `FUNCTION_FAILED` when the function says so by its status and nothing else.
 */
export function responseBody(method: string, reply: FunctionReply, about: FunctionNames): string | undefined {
  const { value, text, status = 200 } = reply;
  const error = isObject(value) ? reply.members.find((member) => member.key === 'error') : undefined;
  if (error !== undefined && isRpcError((value as Record<string, unknown>)['error'])) return `"error":${error.text}`;
  if (status >= 400) throw functionRefused(about, status, wordsOf(reply));
  if (isResponse(reply)) {
    const result = reply.members.find((member) => member.key === 'result');
    return result === undefined ? undefined : `"result":${result.text}`;
  }
  if (method === 'tools/call') return `"result":${callResult(reply)}`;
  if (method === 'tools/list' && Array.isArray(value)) return `"result":{"tools":${text}}`;
  return isObject(value) ? `"result":${text}` : undefined;
}

function isRpcError(value: unknown): boolean {
  return isObject(value) && Number.isInteger(value['code']) && typeof value['message'] === 'string';
}

/** A ready result as it is, a list of content as a result, anything else as text and, where it is an object, as structured content. */
function callResult(reply: FunctionReply): string {
  const { value, text } = reply;
  if (isObject(value) && isContent(value['content'])) return text;
  if (isContent(value)) return `{"content":${text}}`;
  const content = `[{"type":"text","text":${JSON.stringify(wordsOf(reply))}}]`;
  return isObject(value) ? `{"content":${content},"structuredContent":${text}}` : `{"content":${content}}`;
}

function isContent(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && typeof item['type'] === 'string');
}

function wordsOf({ value, text }: FunctionReply): string {
  return typeof value === 'string' ? value : text;
}

/** Whom an error is about. */
export interface FunctionNames {
  readonly target: string;
  readonly functionName: string;
}

function functionRefused({ target, functionName }: FunctionNames, status: number, words: string): PlatformError {
  const what = `target "${target}": function "${functionName}" answered status ${status}: ${words.slice(0, MAX_WORDS)}`;
  return new PlatformError('FUNCTION_FAILED', what, { target, function: functionName, status });
}

/** A function error, for people: type and message; the stack trace stays in the log. */
export function functionFailed({ target, functionName }: FunctionNames, payload: string): PlatformError {
  const { value } = parse(payload);
  const { errorType, errorMessage } = isObject(value) ? value : {};
  const type = typeof errorType === 'string' ? errorType : 'Error';
  const message = typeof errorMessage === 'string' ? errorMessage : 'no message';
  const details = { target, function: functionName, errorType: type };
  if (type === 'Sandbox.Timedout' || /\bTask timed out after [\d.]+ seconds/.test(message)) {
    const late = `target "${target}": function "${functionName}" ran out of its time and may have run: ${message.slice(0, MAX_WORDS)}`;
    return new PlatformError('FUNCTION_TIMEOUT', late, details);
  }
  const what = `target "${target}": function "${functionName}" failed with ${type}: ${message.slice(0, MAX_WORDS)}.`;
  return new PlatformError('FUNCTION_FAILED', `${what} Its log says more.`, details);
}

/** Errors of Lambda itself: `Runtime.ImportModuleError`, `Sandbox.Timedout`, `Function.ResponseSizeTooLarge`. */
const LAMBDAS_OWN = /^(?:Runtime|Sandbox|Function|Extension)\./;

/** Whether the function's code ran and threw, as code does that meets a method it does not know. */
export function hasThrown(error: unknown): boolean {
  if (!(error instanceof PlatformError) || error.code !== 'FUNCTION_FAILED') return false;
  const { errorType } = error.details;
  return typeof errorType === 'string' && !LAMBDAS_OWN.test(errorType);
}
