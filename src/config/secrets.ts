/**
 * Where `${secret:NAME}` is looked up, in this order: the variable `ZEROPLANE_SECRET_<NAME>`, the file
 * `secrets/NAME` in the data folder, the JSON object in the file that `ZEROPLANE_SECRETS_FILE` names.
 */

import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { PlatformError } from '../core/errors.ts';
import type { SecretSource } from '../core/ports.ts';
import { isSecretName } from './references.ts';

export interface SecretOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly dataDir: string;
}

/** The default chain. A provider that has the name but may not use it throws, so that nothing is skipped silently. */
export function secretChain(options: SecretOptions): SecretSource {
  const providers = [fromVariables(options.env), fromFolder(path.join(options.dataDir, 'secrets'))];
  const file = options.env['ZEROPLANE_SECRETS_FILE'];
  if (file !== undefined && file !== '') providers.push(fromJsonFile(file));
  return {
    get: async (name) => {
      if (!isSecretName(name)) return undefined;
      for (const provider of providers) {
        const value = await provider.get(name);
        if (value !== undefined) return value;
      }
      return undefined;
    },
  };
}

/** `github-token` is `ZEROPLANE_SECRET_github-token`, else `ZEROPLANE_SECRET_GITHUB_TOKEN`. */
function fromVariables(env: SecretOptions['env']): SecretSource {
  const read = (name: string): string | undefined => {
    const variable = `ZEROPLANE_SECRET_${name}`;
    return Object.hasOwn(env, variable) ? env[variable] : undefined;
  };
  return { get: async (name) => read(name) ?? read(name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')) };
}

/**
 * One file per secret; a line end at its end is not part of it.
 *
 * @throws PlatformError `CONFIG_MISSING_SECRET` when others may read the file.
 */
function fromFolder(folder: string): SecretSource {
  return {
    get: async (name) => {
      const file = path.join(folder, name);
      return (await isPrivateFile(file)) ? (await readFile(file, 'utf8')).replace(/\r?\n$/, '') : undefined;
    },
  };
}

/** @throws PlatformError `CONFIG_MISSING_SECRET` when the file is not a JSON object, or others may read it. */
function fromJsonFile(file: string): SecretSource {
  return {
    get: async (name) => {
      if (!(await isPrivateFile(file))) throw refused(`the file "${file}" of ZEROPLANE_SECRETS_FILE does not exist`);
      const secrets = parseObject(file, await readFile(file, 'utf8'));
      const value = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
      if (value === undefined || typeof value === 'string') return value;
      throw refused(`the entry of "${file}" is not text`);
    },
  };
}

function parseObject(file: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message would quote a piece of the file.
    throw refused(`"${file}" is not JSON`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refused(`"${file}" is not a JSON object`);
}

async function isPrivateFile(file: string): Promise<boolean> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw refused(`"${file}" cannot be opened (${error.code ?? 'unknown reason'})`);
  });
  if (found === undefined) return false;
  if (!found.isFile()) throw refused(`"${file}" is not a file`);
  if ((found.mode & 0o077) !== 0) throw refused(`others may read "${file}"; run  chmod 600 "${file}"`);
  return true;
}

function refused(message: string): PlatformError {
  return new PlatformError('CONFIG_MISSING_SECRET', message);
}
