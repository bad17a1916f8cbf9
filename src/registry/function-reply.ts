/**
 * Reads what a function has returned. Taken are ready results, bare values, and either of them inside
 * `{statusCode, body}`, with `body` as an object or as JSON text; of a streaming function also text, lines of JSON,
 * pictures and sound. Whatever passes, passes as the text that the function wrote, so that large numbers stay as
 * they are.
 */

import { isUtf8 } from 'node:buffer';
import { isObject, rawMembers, scan, type RawMember } from '../core/json.ts';
import { headerOf, mediaType, type StreamedAnswer } from './streamed-answer.ts';

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
  /** The text as it came, where {@link text} was made of its lines. */
  readonly lines?: string;
  /** A picture or sound, in base64; `text` is empty then. */
  readonly media?: { readonly mimeType: string; readonly data: string };
  /** The answer cannot be passed on, and why. */
  readonly unreadable?: string;
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
const MEDIA = /^(?:image|audio)\//;
const LINES = /^application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines|json-seq|jsonlines)$/;
/** A longer streamed text is handed on as text, without being taken apart. */
const MAX_PARSED_BYTES = 6 * 1024 * 1024;

/** Reads what a function that did not fail by itself has returned. */
export function readReply(payload: string): Reply {
  if (payload.trim() === '') return unreadable('nothing at all, where a function answers JSON');
  const reply = parse(payload);
  if (!isObject(reply.value)) return reply;
  const { statusCode, body } = reply.value;
  if (typeof statusCode !== 'number') return reply;
  if (body === undefined && !Object.keys(reply.value).every((key) => ENVELOPE.has(key))) return reply;
  return { ...readBody(reply, reply.value), isFailure: statusCode >= 400 };
}

function readBody(reply: Reply, envelope: Readonly<Record<string, unknown>>): Reply {
  const { body, headers, isBase64Encoded } = envelope;
  if (typeof body !== 'string') return parse(reply.members.find((member) => member.key === 'body')?.text ?? 'null');
  const type = mediaType(headerOf(headers, 'content-type') ?? '');
  if (isBase64Encoded !== true) return LINES.test(type) ? readLines(body) : parse(body);
  return readBytes(Buffer.from(body, 'base64'), type);
}

/** Reads the whole of a streamed answer. */
export function readStreamed({ bytes, contentType, statusCode = 200 }: StreamedAnswer): Reply {
  const reply = readBytes(bytes, contentType);
  // A function that streams may still write the envelope of those that do not.
  const isEnvelope = isObject(reply.value) && typeof reply.value['statusCode'] === 'number';
  const inner = isEnvelope && statusCode < 400 ? readReply(reply.text) : reply;
  return { ...inner, isFailure: inner.isFailure || statusCode >= 400 };
}

function readBytes(bytes: Buffer, contentType: string): Reply {
  if (MEDIA.test(contentType))
    return { ...plain(''), media: { mimeType: contentType, data: bytes.toString('base64') } };
  if (!isUtf8(bytes)) {
    const what = contentType === '' ? 'bytes' : `bytes of ${contentType}`;
    return unreadable(`${bytes.length} ${what} that are no text, picture or sound`);
  }
  const text = bytes.toString('utf8');
  if (bytes.length > MAX_PARSED_BYTES) return plain(text);
  return LINES.test(contentType) ? readLines(text) : parse(text);
}

/** Lines of JSON: the text as it is, its value the lines as `items`. */
function readLines(text: string): Reply {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const items = parse(`{"items":[${lines.map((line) => withoutSeparator(line)).join(',')}]}`);
  if (!items.isJson || !isObject(items.value)) return plain(text);
  const isWhole = Array.isArray(items.value['items']) && items.value['items'].length === lines.length;
  return isWhole && Object.keys(items.value).length === 1 ? { ...items, lines: text } : plain(text);
}

/** Of `application/json-seq`, before each text. */
const SEPARATOR = '\u001E';

function withoutSeparator(line: string): string {
  return line.startsWith(SEPARATOR) ? line.slice(SEPARATOR.length) : line;
}

function parse(text: string): Reply {
  try {
    const { value, object } = scan(text, 1);
    const members = object === undefined ? [] : rawMembers(text, object);
    return { text, isJson: true, value, members, isFailure: false };
  } catch {
    // Text that is no JSON of ours, such as a page of HTML or a NaN of another language, is still an answer.
    return plain(text);
  }
}

function plain(text: string): Reply {
  return { text, isJson: false, value: text, members: [], isFailure: false };
}

function unreadable(what: string): Reply {
  return { ...plain(''), unreadable: what };
}

/** The words of a reply: a string is its own text, lines are as they came, everything else is JSON. */
export function replyWords(reply: Reply): string {
  if (typeof reply.value === 'string') return reply.value;
  return reply.lines ?? reply.text;
}

type ListKey = 'content' | 'messages' | 'contents' | 'resources';

/** Whether the reply is a result of its own: an object whose `key` is a list of objects that clients can read. */
export function isReady(reply: Reply, key: ListKey): boolean {
  if (!isObject(reply.value)) return false;
  const list = reply.value[key];
  if (!Array.isArray(list) || !list.every((item) => isObject(item) && isReadable(item, key))) return false;
  if (key !== 'content') return true;
  const { isError, structuredContent } = reply.value;
  const isSound = isError === undefined || typeof isError === 'boolean';
  return isSound && (structuredContent === undefined || isObject(structuredContent));
}

/** What each known type of content cannot do without; types that are not known pass. */
const NEEDS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['text', ['text']],
  ['image', ['data', 'mimeType']],
  ['audio', ['data', 'mimeType']],
  ['resource_link', ['uri', 'name']],
]);

function isReadable(item: Readonly<Record<string, unknown>>, key: ListKey): boolean {
  if (key !== 'content') return true;
  const { type, resource } = item;
  if (type === 'resource') return isObject(resource) && typeof resource['uri'] === 'string';
  const needs = NEEDS.get(type) ?? [];
  return typeof type === 'string' && needs.every((member) => typeof item[member] === 'string');
}
