/**
 * Whose rights are used: the caller's own, found the way every AWS tool finds them. A profile that is named but does
 * not exist is passed over, so that the same configuration works on a laptop and where credentials are variables.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Region of calls when no variable names one. */
const DEFAULT_REGION = 'us-east-1';

export function awsRegion(env: Environment): string {
  return env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || DEFAULT_REGION;
}

/**
 * `AWS_PROFILE` where it exists, else the variables with the keys, else the SDK's chain: files, single sign-on, web
 * identity, container and instance.
 *
 * @param warn - Told once when the named profile does not exist.
 */
export function awsCredentials(env: Environment, warn: (message: string) => void): () => Promise<AwsCredentials> {
  let provider: Promise<() => Promise<AwsCredentials>> | undefined;
  return async () => (await (provider ??= choose(env, warn)))();
}

async function choose(env: Environment, warn: (message: string) => void): Promise<() => Promise<AwsCredentials>> {
  const profile = env['AWS_PROFILE'];
  const hasProfile = profile ? await profileExists(profile, env) : false;
  if (profile && !hasProfile) warn(`AWS_PROFILE names "${profile}", which no file has; other credentials are used.`);
  const keys = keysOf(env);
  if (!hasProfile && keys !== undefined) return () => Promise.resolve(keys);
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  return defaultProvider(profile && hasProfile ? { profile } : {});
}

function keysOf(env: Environment): AwsCredentials | undefined {
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  const sessionToken = env['AWS_SESSION_TOKEN'];
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

/** Whether a section of the shared files has this name: `[NAME]`, or `[profile NAME]` in the configuration. */
async function profileExists(profile: string, env: Environment): Promise<boolean> {
  const folder = join(env['HOME'] ?? '', '.aws');
  const files = [
    env['AWS_SHARED_CREDENTIALS_FILE'] || join(folder, 'credentials'),
    env['AWS_CONFIG_FILE'] || join(folder, 'config'),
  ];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  const sections = texts.flatMap((text) => [...text.matchAll(/^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/gm)]);
  return sections.some(([, name = '']) => name.replaceAll(/^["']|["']$/g, '') === profile);
}
