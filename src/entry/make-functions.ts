/** From the functions of a configuration to what runs them and what publishes them. */

import { readFileSync } from 'node:fs';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
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
  const servers = serverFunctions(loaded.config);
  return Object.entries(loaded.config.functions).map(([name, settings]) => {
    const { description, schema, event, tags, tenants, version, alias, canary } = settings;
    return {
      name,
      description,
      schema: schema === undefined ? undefined : readSchema(name, schema),
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

function readSchema(name: string, file: string): unknown {
  try {
    return scan(readFileSync(file, 'utf8'), 0).value;
  } catch (cause) {
    throw new PlatformError(
      'CONFIG_INVALID',
      `functions.${name}.schema: ${file} cannot be used as a JSON Schema (${(cause as Error).message}).`,
      { function: name },
      { cause },
    );
  }
}
