/** `token`: the bearer of the instance, alone on stdout, for scripts. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../core/errors.ts';
import { ACCESS_KEY_ID } from '../../http/authenticate.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { dataDirOf, readInstanceFile, runningInstance } from '../instance.ts';
import type { InstanceFile } from '../instance.ts';

/** The token survives restarts, so it is known even while nothing runs. */
export async function* token(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const dataDir = dataDirOf(invocation, context);
  if (invocation.isSet('aws')) {
    yield awsResult(await runningInstance(invocation, context));
    return undefined;
  }
  const value = (await storedToken(dataDir)) ?? (await readInstanceFile(dataDir))?.token ?? '';
  if (value === '') {
    throw new PlatformError('INSTANCE_NOT_RUNNING', `There is no token in ${dataDir} yet.`, { next: 'zeroplane dev' });
  }
  yield result({ token: value }, value);
  return undefined;
}

/**
 * As the SDKs and the command line of AWS read them. The address changes with each start, unless `clouds.aws.port` is
 * set, so only a running instance knows it.
 */
function awsResult({ clouds, token: secret, pid }: InstanceFile): ReturnType<typeof result> {
  if (clouds === undefined)
    throw new PlatformError('INSTANCE_NOT_RUNNING', `Process ${pid} has no AWS endpoint. Start it anew.`, {
      next: 'zeroplane dev',
    });
  const variables = {
    AWS_ENDPOINT_URL: clouds.aws,
    AWS_ACCESS_KEY_ID: ACCESS_KEY_ID,
    // An instance that lets everybody in still has to be sent a signature, because the programs of AWS sign.
    AWS_SECRET_ACCESS_KEY: secret === '' ? ACCESS_KEY_ID : secret,
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
  };
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${value}`);
  return result(variables, lines.join('\n'));
}

async function storedToken(dataDir: string): Promise<string | undefined> {
  try {
    const text = (await readFile(join(dataDir, 'token'), 'utf8')).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}
