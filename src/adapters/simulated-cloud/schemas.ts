/** EventBridge Schemas: the schemas that a folder of the configuration holds, by registry and name. */

import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AwsReply, AwsRequest, AwsService } from './aws-service.ts';
import { ACCOUNT, AwsError, json } from './aws-service.ts';

export class SchemasService implements AwsService {
  readonly name = 'schemas';
  readonly #folder: string | undefined;

  /** @param folder - `REGISTRY/NAME.json` each. Absent: there are no schemas. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  async handle(request: AwsRequest): Promise<AwsReply> {
    const path = request.path.replace(/\/+$/, '');
    const [, registry, rest, name] =
      /^\/v1\/registries(?:\/name\/([^/]+)\/schemas(\/name\/([^/]+))?)?$/.exec(path) ?? [];
    if (request.method !== 'GET' || !path.startsWith('/v1/registries'))
      throw new AwsError('NotFoundException', `${request.method} ${path.slice(0, 200)} is not known here.`, 404);
    if (registry === undefined)
      return json({ Registries: (await this.#names('')).map((each) => ({ RegistryName: each })) });
    const folder = decodeURIComponent(registry);
    if (rest === undefined)
      return json({ Schemas: (await this.#schemaNames(folder)).map((each) => ({ SchemaName: each })) });
    return json(await this.#describe(folder, decodeURIComponent(name ?? '')));
  }

  async #describe(registry: string, name: string): Promise<unknown> {
    const file =
      safe(registry) && safe(name) && this.#folder !== undefined
        ? join(this.#folder, registry, `${name}.json`)
        : undefined;
    const content = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined);
    if (content === undefined)
      throw new AwsError(
        'NotFoundException',
        `Schema ${name.slice(0, 100)} does not exist in ${registry.slice(0, 100)}.`,
        404,
        { Code: 'NotFound' },
      );
    return {
      Content: content,
      SchemaArn: `arn:aws:schemas:us-east-1:${ACCOUNT}:schema/${registry}/${name}`,
      SchemaName: name,
      SchemaVersion: '1',
      Type: 'JSONSchemaDraft4',
    };
  }

  async #schemaNames(registry: string): Promise<string[]> {
    if (!safe(registry)) return [];
    return (await this.#names(registry))
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length));
  }

  async #names(below: string): Promise<string[]> {
    if (this.#folder === undefined) return [];
    const names = await readdir(join(this.#folder, below)).catch(() => []);
    return names.sort((one, other) => (one < other ? -1 : 1));
  }
}

/** Nothing but a name leads into the folder. */
function safe(name: string): boolean {
  return /^[A-Za-z0-9_.@-]{1,385}$/.test(name) && !/^\.+$/.test(name);
}
