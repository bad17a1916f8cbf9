/**
 * Whose rights are used with Google, and for which project. A secret comes first, then a token in the environment, then
 * the files that Google's own tools use. A simulated cloud never gets to see what lies in those files.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloudError } from '../../provisioning/cloud-errors.ts';
import { PlatformError } from '../../core/errors.ts';
import type { CloudPlace } from '../../provisioning/provisioner.ts';
import { libraryTransport } from './google-transport.ts';

/** Name of the secret that holds the JSON text of a key or of a workload identity. */
const CREDENTIALS_SECRET = 'GOOGLE_CREDENTIALS';

const SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];

/** The bearer of one place; asks Google again when it is about to expire. */
export type TokenSource = () => Promise<string>;

/** Tokens serve every job of a place. */
const sources = new WeakMap<CloudPlace, Promise<TokenSource>>();

/** @throws PlatformError `CLOUD_DENIED` without credentials, or when Google does not take them. */
export async function googleToken(place: CloudPlace): Promise<string> {
  let source = sources.get(place);
  if (source === undefined) {
    source = tokenSource(place);
    sources.set(place, source);
  }
  try {
    return await (
      await source
    )();
  } catch (thrown) {
    sources.delete(place);
    throw thrown instanceof PlatformError ? thrown : tokenError(thrown);
  }
}

/** `params.project`, else the one that the environment names. @throws PlatformError `CLOUD_REFUSED` without any. */
export function googleProject(place: CloudPlace, asked: string | undefined): string {
  const { env } = place;
  const project = asked ?? env['GOOGLE_CLOUD_PROJECT'] ?? env['CLOUDSDK_CORE_PROJECT'] ?? env['GCLOUD_PROJECT'];
  if (project !== undefined && project !== '') return project;
  throw cloudError({
    cloud: 'gcp',
    fault: 'refused',
    operation: 'projects.get',
    cloudCode: 'NO_PROJECT',
    message: 'No project is named. Give params.project, or set GOOGLE_CLOUD_PROJECT where the platform runs',
  });
}

async function tokenSource(place: CloudPlace): Promise<TokenSource> {
  const secret = await place.secrets.get(CREDENTIALS_SECRET);
  if (secret !== undefined) return fromJson(place, secret);
  const token = place.env['CLOUDSDK_AUTH_ACCESS_TOKEN'];
  if (token !== undefined && token !== '') return () => Promise.resolve(token);
  const text = place.label === 'simulated' ? undefined : await readCredentials(place.env);
  if (text !== undefined) return fromJson(place, text);
  throw denied(
    `There are no credentials: no secret ${CREDENTIALS_SECRET}, no CLOUDSDK_AUTH_ACCESS_TOKEN, no GOOGLE_APPLICATION_CREDENTIALS and no file of gcloud`,
  );
}

async function fromJson(place: CloudPlace, text: string): Promise<TokenSource> {
  const { GoogleAuth, gaxios } = await import('google-auth-library');
  const transporter = new gaxios.Gaxios({ fetchImplementation: libraryTransport(place) });
  const auth = new GoogleAuth({
    credentials: parse(text) as Record<string, string>,
    scopes: SCOPES,
    clientOptions: { transporter },
  });
  return async () => {
    const token = await auth.getAccessToken();
    if (typeof token === 'string' && token !== '') return token;
    throw denied('Google handed out no access token');
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would quote the key.
    throw denied('The credentials are no JSON text');
  }
}

async function readCredentials(env: CloudPlace['env']): Promise<string | undefined> {
  const named = env['GOOGLE_APPLICATION_CREDENTIALS'];
  if (named !== undefined && named !== '')
    return readFile(named, 'utf8').catch(() => {
      throw denied(`GOOGLE_APPLICATION_CREDENTIALS names "${named}", which cannot be read`);
    });
  const folder = env['CLOUDSDK_CONFIG'] ?? join(env['HOME'] ?? '', '.config/gcloud');
  return readFile(join(folder, 'application_default_credentials.json'), 'utf8').catch(() => undefined);
}

function denied(message: string): PlatformError {
  const [operation, cloudCode] = ['oauth2.token', 'UNAUTHENTICATED'];
  return cloudError({ cloud: 'gcp', fault: 'denied', operation, cloudCode, message });
}

/**
 * Of the library's errors only the words go on: they carry the whole request, assertion included. One without a status
 * did not reach Google.
 */
function tokenError(thrown: unknown): PlatformError {
  const { status, message = 'no token' } = (thrown ?? {}) as { readonly status?: unknown; readonly message?: string };
  const words = message.slice(0, 300);
  if (typeof status === 'number' && status < 500 && status !== 429) return denied(words);
  if (typeof status !== 'number' && !isOfConnection(thrown)) return denied(words);
  const fault = status === 429 ? 'throttled' : 'unavailable';
  const cloudCode = typeof status === 'number' ? `HTTP ${status}` : 'NO_ANSWER';
  return cloudError({ cloud: 'gcp', fault, operation: 'oauth2.token', cloudCode, message: words });
}

function isOfConnection(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause)
    if (error instanceof PlatformError && error.code.startsWith('TARGET_')) return true;
  return false;
}
