/** From the functions of a configuration to what runs them and what publishes them. */

import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { LoadedConfig } from '../config/load.ts';
import type { Config, FunctionSettings } from '../config/schema.ts';
import { PlatformError } from '../core/errors.ts';
import { scan } from '../core/json.ts';
import { parseFunctionReference } from '../core/lambda-arn.ts';
import type { FunctionSpec } from '../functions/function-spec.ts';
import type { ConfiguredFunction } from '../registry/published-functions.ts';

export function functionSpecs(config: Config): FunctionSpec[] {
  return Object.entries(config.functions).map(([name, settings]) => {
    const { handler, runtime, code, timeoutSeconds, memoryMb, environment, tags } = settings;
    const { description, concurrency, freeze } = settings;
    const given = { name, handler, runtime, code, timeoutSeconds, memoryMb, environment, tags };
    return { ...given, description, concurrency, freeze };
  });
}

/** What of each function is published. @throws PlatformError `CONFIG_INVALID` when a schema file cannot be used. */
export function functionSettings(loaded: LoadedConfig): ConfiguredFunction[] {
  const { functions } = loaded.config;
  const servers = serverFunctions(loaded.config);
  const folders = Object.values(functions).map(({ code }) => code);
  return Object.entries(functions).map(([name, settings]) => {
    const { description, event, tags, tenants, version, alias, canary, streaming } = settings;
    const isAlone = folders.filter((each) => each === settings.code).length === 1;
    return {
      name,
      description,
      schema: readSchema(name, 'schema', settings.schema),
      outputSchema: readSchema(name, 'outputSchema', settings.outputSchema),
      sidecar: () => readSidecar(settings, isAlone),
      streaming,
      event,
      tags,
      tenants,
      version,
      alias,
      canary,
      isServer: servers.has(name),
    };
  });
}

/** Names of the functions that are MCP servers under `mcpServers`. */
export function serverFunctions({ mcpServers }: Config): ReadonlySet<string> {
  const names = Object.values(mcpServers).map((server) =>
    server.kind === 'function' ? parseFunctionReference(server.function)?.name : undefined,
  );
  return new Set(names.filter((name) => name !== undefined));
}

function readSchema(name: string, key: string, file: string | undefined): unknown {
  if (file === undefined) return undefined;
  try {
    return scan(readFileSync(file, 'utf8'), 0).value;
  } catch (cause) {
    throw new PlatformError(
      'CONFIG_INVALID',
      `functions.${name}.${key}: ${file} cannot be used as a JSON Schema (${(cause as Error).message}).`,
      { function: name },
      { cause },
    );
  }
}

/**
 * The schema that lies beside a function's code: `<module>.schema.json`, or `schema.json` in a folder that is the code
 * of this function alone. Text that is no JSON is returned as it is, so that whoever judges it can say so.
 */
function readSidecar({ code, handler }: Pick<FunctionSettings, 'code' | 'handler'>, isAlone: boolean): unknown {
  const isFile = statSync(code, { throwIfNoEntry: false })?.isFile() === true;
  const module = isFile ? basename(code, extname(code)) : handler.slice(0, handler.lastIndexOf('.'));
  const folder = isFile ? dirname(code) : code;
  const own = join(folder, `${module}.schema.json`);
  const text = readText(own) ?? (isAlone && !isFile ? readText(join(folder, 'schema.json')) : undefined);
  if (text === undefined) return undefined;
  try {
    return scan(text, 0).value;
  } catch {
    return text;
  }
}

/** `undefined` for a file that is not there, or not to be read. */
function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
