/**
 * The wire oracle: holds a JSON-RPC message against the specification's own schema of its revision.
 *
 * It knows nothing of the product. Which definition applies follows from the schema files alone: a request or
 * notification is found by its `method`, a result by the request it answers. Methods that the revision does not
 * define (extensions) are held against the general form only.
 */

import { readFileSync } from 'node:fs';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';

export const REVISIONS = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof REVISIONS)[number];
export type Sender = 'client' | 'server';

export interface Seen {
  readonly version: Revision;
  readonly sender: Sender;
  /** Of a response: the method it answers, when that is known. */
  readonly method?: string;
  readonly message: unknown;
}

type Json = Record<string, unknown>;
interface Definition {
  readonly properties?: { readonly method?: { readonly const?: string } };
  readonly anyOf?: readonly { readonly $ref: string }[];
  readonly $ref?: string;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One revision's schema: definitions by name, and by method. */
class Schema {
  readonly version: Revision;
  readonly #key: string;
  readonly #definitions: Record<string, Definition>;
  readonly #byMethod = new Map<string, string>();
  readonly #ajv: Ajv;

  constructor(version: Revision) {
    this.version = version;
    const file = new URL(`./schema/${version}.json`, import.meta.url);
    const document = JSON.parse(readFileSync(file, 'utf8')) as Json;
    this.#key = '$defs' in document ? '$defs' : 'definitions';
    this.#definitions = document[this.#key] as Record<string, Definition>;
    this.#ajv = new (this.#key === '$defs' ? Ajv2020 : Ajv)({
      strict: false,
      allErrors: true,
      validateFormats: false,
      logger: false,
    });
    this.#ajv.addSchema({ ...document, $id: `mcp:${version}` });
    for (const [name, definition] of Object.entries(this.#definitions)) {
      const method = definition.properties?.method?.const;
      if (method !== undefined) this.#byMethod.set(method, name);
    }
  }

  has(name: string): boolean {
    return name in this.#definitions;
  }

  /** The definition of a request or notification, or `undefined` for a method the revision does not define. */
  named(method: string): string | undefined {
    return this.#byMethod.get(method);
  }

  /** Whether a union such as `ServerRequest` has the definition among its members. */
  includes(union: string, name: string): boolean {
    const definition = this.#definitions[union];
    const members = definition?.anyOf ?? (definition?.$ref === undefined ? [] : [{ $ref: definition.$ref }]);
    return members.some((member) => member.$ref === `#/${this.#key}/${name}`);
  }

  check(name: string, value: unknown): string[] {
    const validate = this.#ajv.getSchema(`mcp:${this.version}#/${this.#key}/${name}`) as ValidateFunction | undefined;
    if (validate === undefined) return [`${this.version} has no definition ${name}`];
    return validate(value) ? [] : (validate.errors ?? []).slice(0, 8).map((error) => said(name, error));
  }
}

function said(name: string, error: ErrorObject): string {
  return `${name}${error.instancePath} ${error.message ?? 'is invalid'} ${JSON.stringify(error.params)}`;
}

const schemas = new Map<Revision, Schema>();

function schemaOf(version: Revision): Schema {
  const known = schemas.get(version) ?? new Schema(version);
  schemas.set(version, known);
  return known;
}

const envelope = (schema: Schema, ...names: string[]): string =>
  names.find((name) => schema.has(name)) ?? 'JSONRPCMessage';

/** A request or notification: its general form, its own definition, and whether this side may send it. */
function checkSent(schema: Schema, sender: Sender, message: Json): string[] {
  const method = String(message['method']);
  const kind = 'id' in message ? 'Request' : 'Notification';
  const problems = schema.check(`JSONRPC${kind}`, message);
  const name = schema.named(method);
  if (name === undefined)
    return kind === 'Request' && sender === 'server' && !schema.has('ServerRequest')
      ? [...problems, noRequests(schema)]
      : problems;
  if (!name.endsWith(kind)) return [...problems, `${method} is not a ${kind.toLowerCase()}`];
  const union = `${sender === 'client' ? 'Client' : 'Server'}${kind}`;
  if (!schema.has(union)) return [...problems, noRequests(schema)];
  if (!schema.includes(union, name)) problems.push(`${method} is not for a ${sender} to send`);
  return [...problems, ...schema.check(name, message)];
}

const noRequests = (schema: Schema): string => `in ${schema.version} a server sends no requests`;

/** The definition of the result that answers `method`, as the revision names it. */
function resultName(schema: Schema, method: string): string {
  const request = schema.named(method);
  if (request === undefined) return 'Result';
  const base = request.slice(0, -'Request'.length);
  const name = `${base}Result`;
  return schema.has(name) ? name : 'EmptyResult';
}

function checkResult(schema: Schema, method: string | undefined, message: Json): string[] {
  const problems = schema.check(envelope(schema, 'JSONRPCResultResponse', 'JSONRPCResponse'), message);
  if (method === undefined) return problems;
  const result = message['result'];
  const type = isObject(result) ? result['resultType'] : undefined;
  if (schema.version === '2026-07-28') {
    if (type === 'input_required') return [...problems, ...checkQuestions(schema, method, result)];
    if (type !== 'complete' && typeof type === 'string') return problems;
  }
  return [...problems, ...schema.check(resultName(schema, method), result)];
}

const MAY_ASK = new Set(['tools/call', 'prompts/get', 'resources/read']);

function checkQuestions(schema: Schema, method: string, result: unknown): string[] {
  const problems = schema.check('InputRequiredResult', result);
  if (!MAY_ASK.has(method)) problems.push(`${method} may not answer input_required`);
  if (isObject(result) && ('ttlMs' in result || 'cacheScope' in result))
    problems.push('input_required carries no cache hint');
  return problems;
}

/** Codes the specification reserves; a 2026-07-28 server uses these three of them and no other. */
const DEFINED = new Set([-32020, -32021, -32022]);

function checkError(schema: Schema, message: Json): string[] {
  // A peer that could not read the id answers null or none (JSON-RPC 2.0, section 5).
  const readable = message['id'] === null || message['id'] === undefined ? { ...message, id: 0 } : message;
  const problems = schema.check(envelope(schema, 'JSONRPCErrorResponse', 'JSONRPCError'), readable);
  const code = isObject(message['error']) ? message['error']['code'] : undefined;
  if (schema.version !== '2026-07-28' || typeof code !== 'number') return problems;
  if (code <= -32020 && code >= -32099 && !DEFINED.has(code)) problems.push(`${code} is reserved by the specification`);
  if (code === -32002 || code === -32042) problems.push(`${code} is not used since 2026-07-28`);
  return problems;
}

/**
 * What is wrong with a message, as sentences; empty when the schema accepts it. A batch is one message in
 * 2025-03-26 and wrong in every other revision.
 */
export function checkWire({ version, sender, method, message }: Seen): string[] {
  const schema = schemaOf(version);
  if (Array.isArray(message)) {
    if (version !== '2025-03-26') return [`${version} has no batches`];
    return message.flatMap((each) => checkWire({ version, sender, message: each }));
  }
  if (!isObject(message)) return ['a message is a JSON object'];
  if ('method' in message) return checkSent(schema, sender, message);
  if ('error' in message) return checkError(schema, message);
  return checkResult(schema, method, message);
}
