/** How a job's AWS clients are configured: whose credentials, which endpoint, and our egress underneath. */

import { PlatformError } from '../../core/errors.ts';
import { isObject, textOf } from '../../core/json.ts';
import { cloudError } from '../../provisioning/cloud-errors.ts';
import type { CloudPlace, ProvisionContext } from '../../provisioning/provisioner.ts';
import { awsCredentials } from './aws-credentials.ts';
import type { AwsCredentials } from './aws-credentials.ts';
import { createSdkTransport } from './sdk-transport.ts';
import type { SdkTransport } from './sdk-transport.ts';

/** Name of the secret with the keys as JSON: `{"accessKeyId", "secretAccessKey", "sessionToken"?}`. */
const CREDENTIALS_SECRET = 'AWS_CREDENTIALS';

/** Until an answer begins. What takes longer is asked for again, not waited for. */
const TIMEOUT_MS = 30_000;

export interface ClientSettings {
  readonly region: string;
  readonly credentials: () => Promise<AwsCredentials>;
  readonly maxAttempts: number;
  readonly requestHandler: SdkTransport;
  readonly endpoint?: string;
}

/** Credentials serve every job of a place; those that expire are asked for again. */
const sources = new WeakMap<CloudPlace, Promise<() => Promise<AwsCredentials>>>();

export function clientSettings(context: ProvisionContext, region: string): ClientSettings {
  const { place, signal } = context;
  const { egress, endpoint, ca } = place;
  // A job whose time is up sends nothing more, whatever the SDK has begun.
  const ofJob = {
    request: (request: Parameters<typeof egress.request>[0]) =>
      egress.request({ ...request, signal: request.signal ?? signal, ca }),
  };
  return {
    region,
    credentials: () => credentialsOf(context),
    // Steps repeat what may be repeated, with pauses that survive a restart.
    maxAttempts: 1,
    requestHandler: createSdkTransport(ofJob, TIMEOUT_MS),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

async function credentialsOf(context: ProvisionContext): Promise<AwsCredentials> {
  const { place } = context;
  let source = sources.get(place);
  if (source === undefined) {
    source = choose(context);
    sources.set(place, source);
  }
  try {
    return await (
      await source
    )();
  } catch (thrown) {
    sources.delete(place);
    throw thrown instanceof PlatformError ? thrown : denied(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

/** A secret comes first, then what every AWS tool looks at. A simulated cloud never sees what lies in files. */
async function choose({ place, log }: ProvisionContext): Promise<() => Promise<AwsCredentials>> {
  const secret = await place.secrets.get(CREDENTIALS_SECRET);
  if (secret !== undefined) {
    const keys = keysOf(secret);
    return () => Promise.resolve(keys);
  }
  const { env } = place;
  if (place.label === 'simulated' && !(env['AWS_ACCESS_KEY_ID'] && env['AWS_SECRET_ACCESS_KEY']))
    throw denied('There is no AWS_ACCESS_KEY_ID for the simulated cloud; `zeroplane token --aws` prints what to set');
  return awsCredentials(env, (reason) => log.log('warn', 'aws-profile-absent', { reason }));
}

/** The secret's text never shows in an error. */
function keysOf(secret: string): AwsCredentials {
  let value: unknown;
  try {
    value = JSON.parse(secret);
  } catch {
    value = undefined;
  }
  const keys = isObject(value) ? value : {};
  const [accessKeyId, secretAccessKey] = [textOf(keys['accessKeyId']), textOf(keys['secretAccessKey'])];
  if (accessKeyId === '' || secretAccessKey === '')
    throw denied(`The secret ${CREDENTIALS_SECRET} is not JSON with accessKeyId and secretAccessKey`);
  const sessionToken = textOf(keys['sessionToken']);
  return { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) };
}

function denied(message: string): PlatformError {
  return cloudError({ cloud: 'aws', fault: 'denied', operation: 'credentials', cloudCode: 'NoCredentials', message });
}
