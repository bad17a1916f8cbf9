/** `token`: the bearer of the instance, alone on stdout, for scripts. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../core/errors.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { dataDirOf, readInstanceFile } from '../instance.ts';

/** The token survives restarts, so it is known even while nothing runs. */
export async function* token(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const dataDir = dataDirOf(invocation, context);
  const value = (await storedToken(dataDir)) ?? (await readInstanceFile(dataDir))?.token ?? '';
  if (value === '') {
    throw new PlatformError('INSTANCE_NOT_RUNNING', `There is no token in ${dataDir} yet.`, { next: 'zeroplane dev' });
  }
  yield result({ token: value }, value);
  return undefined;
}

async function storedToken(dataDir: string): Promise<string | undefined> {
  try {
    const text = (await readFile(join(dataDir, 'token'), 'utf8')).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}
