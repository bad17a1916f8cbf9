/** JSON-RPC messages from outside: taken apart once, with everything that travels on kept as text. */

import { PlatformError } from '../core/errors.ts';
import type { RawEntry, RawMember, RawObject, Scanned } from '../core/json.ts';
import { isObject, scan, textOf } from '../core/json.ts';
import { META_PREFIX } from './versions.ts';

const MAX_ID_BYTES = 1024;
const NO_MEMBERS: readonly RawMember[] = [];
const EMPTY: Readonly<Record<string, unknown>> = Object.freeze({});

export interface Message {
  readonly kind: 'request' | 'notification' | 'response';
  /** JSON text of the id, echoed as it came; `null` for notifications. */
  readonly idText: string;
  readonly method: string;
  /** Members of `params` but for `_meta`. */
  readonly params: readonly RawMember[];
  /** Members of `params._meta` that are not the protocol's own. */
  readonly meta: readonly RawMember[];
  readonly parsed: Readonly<Record<string, unknown>>;
  readonly parsedMeta: Readonly<Record<string, unknown>>;
  /** Of a response: the text of `result`, or `undefined` when it carries an error. */
  readonly resultText?: string | undefined;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown } | undefined;
}

/** An error about one message, carrying the id as far as it could be read. */
export class MessageError extends Error {
  readonly idText: string;
  readonly error: PlatformError;

  constructor(error: PlatformError, idText: string) {
    super(error.message);
    this.error = error;
    this.idText = idText;
  }
}

function entryOf(object: RawObject, key: string): RawEntry | undefined {
  return object.members.find((entry) => entry.key === key);
}

/** JSON text of the id, `null` when there is none or it is not a legal one. */
function readableId(text: string, root: RawObject | undefined, value: unknown): string {
  const entry = root && entryOf(root, 'id');
  if (!entry || !isObject(value)) return 'null';
  const id = value['id'];
  const legal = typeof id === 'string' || (typeof id === 'number' && Number.isFinite(id));
  return legal && entry.end - entry.start <= MAX_ID_BYTES ? text.slice(entry.start, entry.end) : 'null';
}

/**
 * Reads one message.
 *
 * @throws MessageError `PARSE_ERROR`, `INVALID_REQUEST`, `INVALID_PARAMS`.
 */
export function decodeMessage(text: string): Message {
  let scanned: Scanned;
  try {
    scanned = scan(text);
  } catch (error) {
    throw new MessageError(error as PlatformError, 'null');
  }
  const { value, object } = scanned;
  const idText = readableId(text, object, value);
  try {
    return decode(text, value, { object, idText });
  } catch (error) {
    if (error instanceof PlatformError) throw new MessageError(error, idText);
    throw error;
  }
}

function invalid(what: string): PlatformError {
  return new PlatformError('INVALID_REQUEST', what);
}

function decode(text: string, value: unknown, at: { object: RawObject | undefined; idText: string }): Message {
  if (!at.object || !isObject(value)) throw invalid('The body is not a JSON-RPC message: send one JSON object.');
  if (value['jsonrpc'] !== '2.0') throw invalid('The message lacks "jsonrpc": "2.0".');
  const hasMethod = Object.hasOwn(value, 'method');
  const hasAnswer = Object.hasOwn(value, 'result') || Object.hasOwn(value, 'error');
  if (hasMethod && hasAnswer)
    throw invalid('The message has both "method" and "result" or "error"; it can be only one of the two.');
  if (hasAnswer) return decodeResponse(text, value, at.object);
  const method = value['method'];
  if (typeof method !== 'string' || method === '') throw invalid('The message has no "method".');
  const isRequest = Object.hasOwn(value, 'id');
  if (isRequest) checkId(value['id'], at.idText);
  const params = entryOf(at.object, 'params');
  const parsed = value['params'];
  if (params === undefined) {
    return {
      kind: isRequest ? 'request' : 'notification',
      idText: at.idText,
      method,
      params: NO_MEMBERS,
      meta: NO_MEMBERS,
      parsed: EMPTY,
      parsedMeta: EMPTY,
    };
  }
  if (params.object === undefined || !isObject(parsed))
    throw new PlatformError('INVALID_PARAMS', '"params" must be an object.');
  return {
    kind: isRequest ? 'request' : 'notification',
    idText: at.idText,
    method,
    ...splitParams(text, params.object, parsed),
  };
}

/** Members of `_meta` as text. The protocol's own are read where they are parsed, and never travel on. */
function travelling(text: string, meta: RawObject): readonly RawMember[] {
  let found: RawMember[] | undefined;
  for (const { key, start, end } of meta.members) {
    if (!key.startsWith(META_PREFIX)) (found ??= []).push({ key, text: text.slice(start, end) });
  }
  return found ?? NO_MEMBERS;
}

function splitParams(
  text: string,
  object: RawObject,
  parsed: Record<string, unknown>,
): Pick<Message, 'params' | 'meta' | 'parsed' | 'parsedMeta'> {
  const params: RawMember[] = [];
  let meta = NO_MEMBERS;
  let parsedMeta = EMPTY;
  for (const entry of object.members) {
    if (entry.key !== '_meta') {
      params.push({ key: entry.key, text: text.slice(entry.start, entry.end) });
      continue;
    }
    const value = parsed['_meta'];
    if (entry.object === undefined || !isObject(value))
      throw new PlatformError('INVALID_PARAMS', '"params._meta" must be an object.');
    meta = travelling(text, entry.object);
    parsedMeta = value;
  }
  return { params, meta, parsed, parsedMeta };
}

function checkId(id: unknown, idText: string): void {
  if (typeof id !== 'string' && typeof id !== 'number') throw invalid('"id" must be a string or an integer.');
  if (idText === 'null') throw invalid(`"id" is longer than ${MAX_ID_BYTES} bytes.`);
  if (typeof id === 'number' && !/^-?\d+$/.test(idText)) throw invalid('"id" must be a string or an integer.');
}

function decodeResponse(text: string, value: Record<string, unknown>, object: RawObject): Message {
  const idText = readableId(text, object, value);
  const result = entryOf(object, 'result');
  const base = {
    kind: 'response' as const,
    idText,
    method: '',
    params: NO_MEMBERS,
    meta: NO_MEMBERS,
    parsed: EMPTY,
    parsedMeta: EMPTY,
  };
  if (idText === 'null') throw invalid('The response has no usable "id".');
  if (result) return { ...base, resultText: text.slice(result.start, result.end) };
  const error = value['error'];
  if (!isObject(error) || typeof error['code'] !== 'number')
    throw invalid('"error" must be an object with a numeric "code".');
  return { ...base, error: { code: error['code'], message: textOf(error['message']), data: error['data'] } };
}
