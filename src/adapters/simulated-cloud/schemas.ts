/** EventBridge Schemas over the schemas of this machine. Of each only the newest version is kept. */

import type { AwsReply, AwsRequest, AwsService } from './aws-service.ts';
import { ACCOUNT, AwsError, bodyOf, json, pageOf } from './aws-service.ts';
import type { RegistrySchema, SchemaRegistry } from './schema-registry.ts';
import { isName } from './schema-registry.ts';

/** As on AWS. */
const MAX_CONTENT_LENGTH = 100_000;
const PAGE_SIZE = 100;
const TYPES: readonly string[] = ['JSONSchemaDraft4', 'OpenApi3'];

interface At {
  readonly registry: string;
  readonly name: string;
  readonly request: AwsRequest;
}

export class SchemasService implements AwsService {
  readonly name = 'schemas';
  readonly #registry: SchemaRegistry;

  constructor(registry: SchemaRegistry) {
    this.#registry = registry;
  }

  handle(request: AwsRequest): Promise<AwsReply> {
    const path = request.path.replace(/\/+$/, '');
    const match = /^\/v1\/registries(?:\/name\/([^/]+)\/schemas(?:\/name\/([^/]+))?)?$/.exec(path);
    const [registry, name] = (match?.slice(1) ?? []).map((word) => (word === undefined ? undefined : decode(word)));
    const { method } = request;
    if (match !== null && name !== undefined) {
      const at = { registry: registry ?? '', name, request };
      if (method === 'GET') return this.#describe(at);
      if (method === 'POST') return this.#create(at);
      if (method === 'PUT') return this.#update(at);
      if (method === 'DELETE') return this.#delete(at);
    }
    if (match !== null && name === undefined && method === 'GET')
      return registry === undefined ? this.#registries(request) : this.#schemas(registry, request);
    throw new AwsError('NotFoundException', `${method} ${path.slice(0, 200)} is not known here.`, 404);
  }

  async #registries({ query }: AwsRequest): Promise<AwsReply> {
    const page = paged(await this.#registry.registries(), query, 'registryNamePrefix');
    return json({ Registries: page.items.map((RegistryName) => ({ RegistryName })), ...page.next });
  }

  async #schemas(registry: string, { query }: AwsRequest): Promise<AwsReply> {
    const page = paged(await this.#registry.names(registry), query, 'schemaNamePrefix');
    const schemas = page.items.map((name) => ({ SchemaName: name, SchemaArn: arnOf(registry, name) }));
    return json({ Schemas: schemas, ...page.next });
  }

  async #describe(at: At): Promise<AwsReply> {
    const schema = await this.#known(at);
    const asked = at.request.query.get('schemaVersion');
    if (asked !== null && asked !== String(schema.version)) throw unknown(`Version ${asked} of schema`, at);
    return json({ ...described(schema), Content: schema.content });
  }

  async #create(at: At): Promise<AwsReply> {
    const { registry, name, request } = at;
    if (!isName(registry) || !isName(name)) throw bad('A name has letters, digits and . _ - @.');
    const schema = readSchema(bodyOf(request, 'BadRequestException'));
    if ((await this.#registry.get(registry, name)) !== undefined)
      throw new AwsError('ConflictException', `Schema ${name} exists already in ${registry}.`, 409);
    return json(described(await this.#registry.put({ registry, name, ...schema })), 201);
  }

  async #update(at: At): Promise<AwsReply> {
    const before = await this.#changeable(at);
    const body = bodyOf(at.request, 'BadRequestException');
    const { content, type, description, registry, name } = before;
    const merged = { Content: content, Type: type, Description: description, ...body };
    return json(described(await this.#registry.put({ registry, name, ...readSchema(merged) })));
  }

  async #delete(at: At): Promise<AwsReply> {
    const { registry, name } = await this.#changeable(at);
    await this.#registry.delete(registry, name);
    return { status: 204, body: '' };
  }

  async #changeable(at: At): Promise<RegistrySchema> {
    const schema = await this.#known(at);
    if (!schema.isFile) return schema;
    throw bad(`${at.registry}/${at.name}.json is a file of clouds.aws.schemas. Edit it there.`);
  }

  async #known(at: At): Promise<RegistrySchema> {
    const schema = await this.#registry.get(at.registry, at.name);
    if (schema === undefined) throw unknown('Schema', at);
    return schema;
  }
}

function described({ registry, name, type, description, version, modifiedAt }: RegistrySchema): object {
  return {
    ...(description === '' ? {} : { Description: description }),
    LastModified: modifiedAt,
    SchemaArn: arnOf(registry, name),
    SchemaName: name,
    SchemaVersion: String(version),
    Type: type,
    VersionCreatedDate: modifiedAt,
  };
}

const arnOf = (registry: string, name: string): string =>
  `arn:aws:schemas:us-east-1:${ACCOUNT}:schema/${registry}/${name}`;

/** @throws AwsError `BadRequestException`. */
function readSchema(body: Readonly<Record<string, unknown>>): Pick<RegistrySchema, 'content' | 'type' | 'description'> {
  const { Content: content, Type: type, Description: description = '' } = body;
  if (typeof content !== 'string' || content.length > MAX_CONTENT_LENGTH)
    throw bad(`Content must be a text of at most ${MAX_CONTENT_LENGTH} characters.`);
  if (typeof type !== 'string' || !TYPES.includes(type)) throw bad(`Type must be ${TYPES.join(' or ')}.`);
  if (typeof description !== 'string' || description.length > 256)
    throw bad('Description must be a text of at most 256 characters.');
  try {
    JSON.parse(content);
  } catch {
    throw bad('Content is not JSON.');
  }
  return { content, type, description };
}

function paged(
  names: readonly string[],
  query: URLSearchParams,
  prefixKey: string,
): { readonly items: readonly string[]; readonly next: { readonly NextToken?: string } } {
  const prefix = query.get(prefixKey) ?? '';
  const size = Number(query.get('limit') ?? PAGE_SIZE);
  if (!Number.isInteger(size) || size < 1) throw bad('limit must be a whole number from 1 on.');
  const found = names.filter((name) => name.startsWith(prefix));
  const { items, next } = pageOf(found, query.get('nextToken') ?? undefined, Math.min(size, PAGE_SIZE));
  return { items, next: next === undefined ? {} : { NextToken: next } };
}

function unknown(what: string, { registry, name }: At): AwsError {
  return notFound(`${what} ${name.slice(0, 100)} does not exist in ${registry.slice(0, 100)}.`);
}

function notFound(message: string): AwsError {
  return new AwsError('NotFoundException', message, 404, { Code: 'NotFound' });
}

function bad(message: string): AwsError {
  return new AwsError('BadRequestException', message, 400, { Code: 'BadRequest' });
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    throw bad('The path is not well encoded.');
  }
}
