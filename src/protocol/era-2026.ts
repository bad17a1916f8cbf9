/**
 * The codec of 2026-07-28: the part of the request ladder that looks at the message, and the shape of results.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 */

import { PlatformError } from '../core/errors.ts';
import type { RawMember, RawObject } from '../core/json.ts';
import { isObject, joinMembers, outline, rawMembers } from '../core/json.ts';
import type { Message } from './message.ts';
import {
  META_CLIENT_CAPABILITIES,
  META_LOG_LEVEL,
  META_SERVER_INFO,
  META_VERSION,
  MODERN_VERSION,
  SUPPORTED_VERSIONS,
} from './versions.ts';

export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>;

const MODERN_METHODS: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'completion/complete',
  'subscriptions/listen',
]);

/** Which member of `params` the `Mcp-Name` header mirrors. */
const NAME_SOURCE: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

export function isModern(message: Message): boolean {
  return Object.hasOwn(message.parsedMeta, META_VERSION);
}

export function headerValue(headers: HeaderMap, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/**
 * Reads `=?base64?…?=` or a plain value.
 *
 * @returns `undefined` when the Base64 is malformed or its bytes are not UTF-8.
 */
export function decodeHeaderValue(raw: string): string | undefined {
  const value = raw.trim();
  if (!value.startsWith('=?base64?') || !value.endsWith('?=') || value.length < 11) return value;
  const inner = value.slice(9, -2);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(inner) || inner.length % 4 !== 0) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(atob(inner), (c) => c.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

function mismatch(what: string): PlatformError {
  return new PlatformError('HEADER_MISMATCH', what);
}

/**
 * Rows 6 to 11 of the ladder, in order; the first failure answers.
 *
 * @throws PlatformError `INVALID_PARAMS`, `HEADER_MISMATCH`, `UNSUPPORTED_PROTOCOL_VERSION`, `METHOD_NOT_FOUND`.
 */
export function checkEnvelope(message: Message, headers: HeaderMap): void {
  const version = message.parsedMeta[META_VERSION];
  if (typeof version !== 'string')
    throw new PlatformError('INVALID_PARAMS', `"params._meta" lacks "${META_VERSION}", a string.`);
  if (!isObject(message.parsedMeta[META_CLIENT_CAPABILITIES])) {
    throw new PlatformError(
      'INVALID_PARAMS',
      `"params._meta" lacks "${META_CLIENT_CAPABILITIES}", an object ({} when there are none).`,
    );
  }
  const header = headerValue(headers, 'mcp-protocol-version')?.trim();
  if (header !== version)
    throw mismatch(
      `The header MCP-Protocol-Version (${header ?? 'absent'}) does not equal the body's protocolVersion (${version}).`,
    );
  if (version !== MODERN_VERSION) {
    throw new PlatformError(
      'UNSUPPORTED_PROTOCOL_VERSION',
      `Protocol version ${version} is not supported in this form.`,
      {
        supported: SUPPORTED_VERSIONS,
        requested: version,
      },
    );
  }
  checkRoutingHeaders(message, headers);
  if (message.kind === 'request' && !MODERN_METHODS.has(message.method)) {
    throw new PlatformError('METHOD_NOT_FOUND', `Method not found: ${message.method.slice(0, 100)}`);
  }
}

function checkRoutingHeaders(message: Message, headers: HeaderMap): void {
  // The revision defines no header rules for notification POSTs.
  if (message.kind !== 'request') return;
  const method = headerValue(headers, 'mcp-method')?.trim();
  if (method !== message.method)
    throw mismatch(
      `The header Mcp-Method (${method ?? 'absent'}) does not equal the body's method (${message.method.slice(0, 100)}).`,
    );
  const source = NAME_SOURCE.get(message.method);
  if (source === undefined) return;
  const expected = message.parsed[source];
  const raw = headerValue(headers, 'mcp-name');
  if (raw === undefined) throw mismatch(`The header Mcp-Name is absent; it must mirror params.${source}.`);
  const decoded = decodeHeaderValue(raw);
  if (decoded === undefined) throw mismatch('The header Mcp-Name is not valid Base64 of UTF-8 text.');
  if (decoded !== expected) throw mismatch(`The header Mcp-Name does not equal params.${source} of the body.`);
}

/** A header value as the revision wants it: plain where it is visible ASCII, else Base64 between `=?base64?` and `?=`. */
export function encodeHeaderValue(text: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

/** The headers that mirror a message, for a host whose clients send none. */
export function mirrorHeaders(message: Message): Readonly<Record<string, string>> {
  const version = message.parsedMeta[META_VERSION];
  const source = NAME_SOURCE.get(message.method);
  const name = source === undefined ? undefined : message.parsed[source];
  return {
    ...(typeof version === 'string' ? { 'mcp-protocol-version': version } : {}),
    'mcp-method': message.method,
    ...(typeof name === 'string' ? { 'mcp-name': encodeHeaderValue(name) } : {}),
  };
}

/** Where a tool's schema asks for a header: the header's name part and the chain of `properties` keys. */
export interface HeaderParameter {
  readonly header: string;
  readonly path: readonly string[];
}

/** Reads the valid `x-mcp-header` annotations of an input schema. */
export function headerParameters(schema: unknown, path: readonly string[] = []): HeaderParameter[] {
  if (!isObject(schema) || !isObject(schema['properties']) || path.length > 16) return [];
  const found: HeaderParameter[] = [];
  for (const [key, property] of Object.entries(schema['properties'])) {
    if (!isObject(property)) continue;
    const name = property['x-mcp-header'];
    const here = [...path, key];
    if (typeof name === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      found.push({ header: name, path: here });
    found.push(...headerParameters(property, here));
  }
  return found;
}

/** The `Mcp-Param-*` headers that a call's arguments ask for. */
export function mirrorArguments(
  parameters: readonly HeaderParameter[],
  args: unknown,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    parameters.flatMap(({ header, path }) => {
      const value = valueAt(args, path);
      if (value === undefined || value === null) return [];
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      return [[`mcp-param-${header.toLowerCase()}`, encodeHeaderValue(text)]];
    }),
  );
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const key of path) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** A JSON number: `Number()` would also take hexadecimal, white space and nothing at all. */
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Row 13: each annotated argument equals its `Mcp-Param-*` header. @throws PlatformError `HEADER_MISMATCH`. */
export function checkHeaderParameters(parameters: readonly HeaderParameter[], args: unknown, headers: HeaderMap): void {
  for (const { header, path } of parameters) {
    const value = valueAt(args, path);
    const raw = headerValue(headers, `mcp-param-${header.toLowerCase()}`);
    if (value === undefined || value === null) {
      if (raw !== undefined)
        throw mismatch(`The header Mcp-Param-${header} is present but the argument ${path.join('.')} is absent.`);
      continue;
    }
    if (raw === undefined)
      throw mismatch(`The header Mcp-Param-${header} is absent; it must mirror the argument ${path.join('.')}.`);
    const decoded = decodeHeaderValue(raw);
    const equal =
      typeof value === 'number'
        ? decoded !== undefined && NUMBER.test(decoded) && Number(decoded) === value
        : decoded === (typeof value === 'string' ? value : JSON.stringify(value));
    if (!equal) throw mismatch(`The header Mcp-Param-${header} does not equal the argument ${path.join('.')}.`);
  }
}

/** `_meta` members that may travel on: all but the progress token, which is minted anew for each hop. */
export function travellingMeta(meta: readonly RawMember[]): readonly RawMember[] {
  return meta.some((member) => member.key === 'progressToken')
    ? meta.filter((member) => member.key !== 'progressToken')
    : meta;
}

export function logLevelOf(message: Message): string | undefined {
  const level = message.parsedMeta[META_LOG_LEVEL];
  return typeof level === 'string' ? level : undefined;
}

export interface ModernResultOptions {
  /** JSON text of our `serverInfo`. */
  readonly serverInfo: string;
  /** `ttlMs` and `cacheScope` must be present (`resources/read`); absent ones become 0 and `private`. */
  readonly cacheable?: boolean;
}

/** Completes a target's result: `resultType`, our `serverInfo` (theirs under a key of ours), cache hints. */
export function encodeModernResult(text: string, options: ModernResultOptions): string {
  const object = outline(text, 2);
  if (object === undefined) {
    throw new PlatformError('TARGET_PROTOCOL_ERROR', 'The target answered with a result that is no object.');
  }
  const additions = resultAdditions(text, object, options);
  const meta = object.members.find((entry) => entry.key === '_meta');
  if (meta === undefined) {
    return append(
      text,
      object.members.length === 0,
      `${additions}"_meta":{"${META_SERVER_INFO}":${options.serverInfo}}`,
    );
  }
  const members = meta.object === undefined ? [] : rawMembers(text, meta.object);
  const theirs = members.map((member) =>
    member.key === META_SERVER_INFO ? { key: 'io.zeroplane/upstreamServerInfo', text: member.text } : member,
  );
  const joined = joinMembers([...theirs, { key: META_SERVER_INFO, text: options.serverInfo }]);
  const replaced = `${text.slice(0, meta.start)}${joined}${text.slice(meta.end)}`;
  return additions === '' ? replaced : append(replaced, false, additions.slice(0, -1));
}

/** Members to add, each followed by a comma. */
function resultAdditions(text: string, object: RawObject, options: ModernResultOptions): string {
  const has = (key: string): boolean => object.members.some((entry) => entry.key === key);
  const type = object.members.find((entry) => entry.key === 'resultType');
  const isComplete = type === undefined || text.slice(type.start, type.end) === '"complete"';
  let out = type === undefined ? '"resultType":"complete",' : '';
  if (options.cacheable === true && isComplete) {
    if (!has('ttlMs')) out += '"ttlMs":0,';
    if (!has('cacheScope')) out += '"cacheScope":"private",';
  }
  return out;
}

/** Adds members before the closing brace of an object's text. */
function append(text: string, isEmpty: boolean, members: string): string {
  const end = text.lastIndexOf('}');
  return `${text.slice(0, end)}${isEmpty ? '' : ','}${members}}`;
}
