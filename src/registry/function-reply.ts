/**
 * From what a function returned to an MCP result. Taken are ready results, bare values, and either of them inside
 * `{statusCode, body}`, with `body` as an object or as JSON text. Whatever passes, passes as the text that the
 * function wrote, so that large numbers stay as they are.
 */

import { UpstreamRpcError } from '../core/errors.ts';
import { isObject, joinMembers, rawMembers, scan, type RawMember } from '../core/json.ts';
import type { InvocationResult } from '../core/ports.ts';

const MAX_ERROR_TEXT = 8 * 1024;

/** A function's answer with its envelope taken off. */
export interface Reply {
  /** JSON text, or plain text when {@link isJson} is false. */
  readonly text: string;
  readonly isJson: boolean;
  readonly value: unknown;
  /** Of an object: its members as they stand. */
  readonly members: readonly RawMember[];
  /** The function says that it failed. */
  readonly isFailure: boolean;
}

const ENVELOPE = new Set([
  'statusCode',
  'body',
  'headers',
  'multiValueHeaders',
  'cookies',
  'isBase64Encoded',
  'statusDescription',
]);

/** Reads what a function that did not fail by itself has returned. */
export function readReply(payload: string): Reply {
  const reply = parse(payload);
  if (!isObject(reply.value)) return reply;
  const { statusCode, body } = reply.value;
  if (typeof statusCode !== 'number') return reply;
  if (body === undefined && !Object.keys(reply.value).every((key) => ENVELOPE.has(key))) return reply;
  return { ...readBody(reply, body), isFailure: statusCode >= 400 };
}

function readBody(reply: Reply, body: unknown): Reply {
  const { value, members } = reply;
  if (typeof body !== 'string') return parse(members.find((member) => member.key === 'body')?.text ?? 'null');
  const isEncoded = isObject(value) && value['isBase64Encoded'] === true;
  return parse(isEncoded ? Buffer.from(body, 'base64').toString('utf8') : body);
}

function parse(text: string): Reply {
  try {
    const { value, object } = scan(text, 1);
    return {
      text,
      isJson: true,
      value,
      members: object === undefined ? [] : rawMembers(text, object),
      isFailure: false,
    };
  } catch {
    // Text that is no JSON of ours, such as a page of HTML or a NaN of another language, is still an answer.
    return { text, isJson: false, value: text, members: [], isFailure: false };
  }
}

/** The words of a reply: a string is its own text, everything else is JSON. */
export function replyWords(reply: Reply): string {
  return typeof reply.value === 'string' ? reply.value : reply.text;
}

export function errorResult(message: string): string {
  return JSON.stringify({ content: [{ type: 'text', text: message.slice(0, MAX_ERROR_TEXT) }], isError: true });
}

/** A function's own failure, for people: no stack trace, which stays in the log. */
export function failureWords(name: string, payload: string): string {
  const { value } = parse(payload);
  const { errorType, errorMessage } = isObject(value) ? value : {};
  const type = typeof errorType === 'string' ? errorType : 'Error';
  const message = typeof errorMessage === 'string' ? errorMessage : 'no message';
  return `Function "${name}" failed with ${type}: ${message}`.slice(0, MAX_ERROR_TEXT);
}

/** The text of a `tools/call` result. */
export function toolResult(name: string, result: InvocationResult): string {
  if (result.functionError !== undefined) return errorResult(failureWords(name, result.payload));
  const reply = readReply(result.payload);
  if (isReady(reply, 'content')) return reply.isFailure ? markedAsError(reply) : reply.text;
  const content = `[{"type":"text","text":${JSON.stringify(replyWords(reply))}}]`;
  const structured = isObject(reply.value) ? `,"structuredContent":${reply.text}` : '';
  return `{"content":${content}${structured}${reply.isFailure ? ',"isError":true' : ''}}`;
}

/** The result in a JSON-RPC response that a function of event mode `mcp` returned; other replies as they are. */
export function unwrapRpc(result: InvocationResult): InvocationResult {
  if (result.functionError !== undefined) return result;
  const { value, members } = readReply(result.payload);
  if (!isObject(value) || value['jsonrpc'] !== '2.0') return result;
  const { error } = value;
  if (isObject(error)) {
    const code = typeof error['code'] === 'number' ? error['code'] : -32603;
    throw new UpstreamRpcError(
      code,
      typeof error['message'] === 'string' ? error['message'] : 'The function answered an error.',
      error['data'],
    );
  }
  return { ...result, payload: members.find((member) => member.key === 'result')?.text ?? 'null' };
}

/** Whether the reply is a result of its own: an object whose `key` is a list of objects, typed where content is. */
export function isReady(reply: Reply, key: 'content' | 'messages' | 'contents' | 'resources'): boolean {
  const list = isObject(reply.value) ? reply.value[key] : undefined;
  if (!Array.isArray(list)) return false;
  return list.every((item) => isObject(item) && (key !== 'content' || typeof item['type'] === 'string'));
}

function markedAsError(reply: Reply): string {
  return joinMembers([...reply.members.filter((member) => member.key !== 'isError'), { key: 'isError', text: 'true' }]);
}

/** The text of a `prompts/get` result. */
export function promptResult(reply: Reply): string {
  if (isReady(reply, 'messages')) return reply.text;
  return `{"messages":[{"role":"user","content":{"type":"text","text":${JSON.stringify(replyWords(reply))}}}]}`;
}

/** The text of a `resources/read` result. */
export function readResult(uri: string, reply: Reply): string {
  if (isReady(reply, 'contents')) return reply.text;
  const isText = typeof reply.value === 'string';
  const contents = { uri, mimeType: isText ? 'text/plain' : 'application/json', text: replyWords(reply) };
  return JSON.stringify({ contents: [contents] });
}
