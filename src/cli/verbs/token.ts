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
  yield invocation.isSet('aws') ? awsResult(value, await awsUrl(dataDir)) : result({ token: value }, value);
  return undefined;
}

/** The address changes with each start, unless `clouds.aws.port` is set, so only a running instance knows it. */
async function awsUrl(dataDir: string): Promise<string> {
  const url = (await readInstanceFile(dataDir))?.clouds?.aws;
  if (url !== undefined) return url;
  throw new PlatformError('INSTANCE_NOT_RUNNING', `No instance runs with ${dataDir}.`, { next: 'zeroplane dev' });
}

/** As the SDKs and the command line of AWS read them. */
function awsResult(secret: string, url: string): ReturnType<typeof result> {
  const variables = {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: 'zeroplane',
    AWS_SECRET_ACCESS_KEY: secret,
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
