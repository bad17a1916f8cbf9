/** Checked values to the final configuration: ids, absolute paths, what is disabled left out, all frozen. */

import path from 'node:path';
import { withFunction } from './function-servers.ts';
import { assignTargetIds } from './ids.ts';
import type { LoadNote } from './load-note.ts';
import type { Config } from './schema.ts';
import { isSensitiveName, sensitivePart } from './sensitive.ts';
import type { CheckedConfig, CheckedServer } from './validate.ts';
import { isLoopback } from './loopback.ts';

export interface Composed {
  readonly config: Config;
  readonly notes: readonly LoadNote[];
  readonly warnings: readonly string[];
  /** Values that stand in the file itself under names that announce a secret. */
  readonly secretValues: readonly string[];
}

export function compose(checked: CheckedConfig, baseDir: string): Composed {
  const { ids, notes } = assignTargetIds([...checked.servers.keys()]);
  const mcpServers: Record<string, unknown> = Object.create(null);
  for (const [key, server] of checked.servers) {
    if (server.disabled === true) continue;
    mcpServers[ids.get(key) ?? key] = withFunction(withFolder(server, baseDir), checked.base.functions);
  }
  const functions: Record<string, unknown> = Object.create(null);
  for (const [name, settings] of Object.entries(checked.base.functions)) {
    const schema = settings.schema === undefined ? {} : { schema: path.resolve(baseDir, settings.schema) };
    const answer =
      settings.outputSchema === undefined ? {} : { outputSchema: path.resolve(baseDir, settings.outputSchema) };
    if (settings.disabled !== true)
      functions[name] = { ...settings, code: path.resolve(baseDir, settings.code), ...schema, ...answer };
  }
  const { $schema: _, ...base } = checked.base;
  const clouds = { ...base.clouds, aws: withSchemas(base.clouds.aws, baseDir) };
  const config = frozenCopy({ ...base, mcpServers, functions, clouds }) as Config;
  return { config, notes, warnings: warningsOf(config), secretValues: secretsOf(config) };
}

function withFolder(server: CheckedServer, baseDir: string): CheckedServer {
  return server.kind === 'stdio' ? { ...server, cwd: path.resolve(baseDir, server.cwd ?? '.') } : server;
}

function withSchemas<Aws extends { schemas?: string | undefined }>(aws: Aws, baseDir: string): Aws {
  return aws.schemas === undefined ? aws : { ...aws, schemas: path.resolve(baseDir, aws.schemas) };
}

function warningsOf(config: Config): string[] {
  const warnings: string[] = [];
  if (!isLoopback(config.host)) {
    warnings.push(`host is ${config.host}: other machines can reach this gateway. Every call still needs the token.`);
  }
  if (config.auth.mode === 'none')
    warnings.push('auth.mode is none: every program on this machine may call every tool.');
  return warnings;
}

function secretsOf(config: Config): string[] {
  const found: string[] = [];
  const servers = Object.values(config.mcpServers).map((server) =>
    server.kind === 'stdio' ? server.env : server.kind === 'remote' ? server.headers : {},
  );
  const functions = Object.values(config.functions).map((settings) => settings.environment);
  for (const [name, value] of [...servers, ...functions].flatMap((record) => Object.entries(record))) {
    const secret = isSensitiveName(name) ? sensitivePart(value) : undefined;
    if (secret !== undefined) found.push(secret);
  }
  return found;
}

/** A deep copy whose objects have no prototype, so that keys of the file meet nothing inherited. */
function frozenCopy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy));
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) if (item !== undefined) copy[key] = frozenCopy(item);
  return Object.freeze(copy);
}
