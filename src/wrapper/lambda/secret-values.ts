/**
 * Secrets of a server, named in its variables and fetched by the function with its own role:
 * `${secretsmanager:ID}`, `${secretsmanager:ID#KEY}` for one member of a JSON secret, and `${ssm:NAME}` for a
 * parameter. The server sees the value and nothing that could fetch another.
 */

import type { AwsCredentials, FetchLike } from './signed-fetch.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { signingFetch, variableCredentials } from './signed-fetch.ts';

type Variables = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\{(secretsmanager|ssm):([^}]+)\}/g;
const TIMEOUT_MS = 5_000;

interface Service {
  /** Part of the host's name, and of the signature. */
  readonly name: string;
  readonly target: string;
  readonly endpointVariable: string;
  request(id: string): object;
  value(answer: Readonly<Record<string, unknown>>): unknown;
}

const SERVICES: Readonly<Record<string, Service>> = {
  secretsmanager: {
    name: 'secretsmanager',
    target: 'secretsmanager.GetSecretValue',
    endpointVariable: 'AWS_ENDPOINT_URL_SECRETS_MANAGER',
    request: (id) => ({ SecretId: id }),
    value: (answer) => answer['SecretString'],
  },
  ssm: {
    name: 'ssm',
    target: 'AmazonSSM.GetParameter',
    endpointVariable: 'AWS_ENDPOINT_URL_SSM',
    request: (name) => ({ Name: name, WithDecryption: true }),
    value: ({ Parameter: parameter }) => (isObject(parameter) ? parameter['Value'] : undefined),
  },
};

/** Whether anything has to be fetched at all. */
export function hasSecrets(variables: Readonly<Record<string, string>>): boolean {
  return Object.values(variables).some((value) => value.search(REFERENCE) >= 0);
}

/**
 * The variables with their secrets in place. Each secret is fetched once.
 *
 * @param host - The function's own variables: region and endpoints.
 * @throws PlatformError `CONFIG_MISSING_SECRET` with the variable, the reference and why it failed.
 */
export async function withSecrets(
  variables: Readonly<Record<string, string>>,
  host: Variables,
  baseFetch?: FetchLike,
): Promise<Record<string, string>> {
  const fetched = new Map<string, Promise<string>>();
  const get = (reference: string, kind: string, name: string): Promise<string> => {
    const known = fetched.get(reference) ?? fetchSecret(kind, name, { host, baseFetch });
    fetched.set(reference, known);
    return known;
  };
  const entries = Object.entries(variables).map(async ([name, text]): Promise<[string, string]> => {
    let value = text;
    for (const [reference, kind = '', id = ''] of text.matchAll(REFERENCE)) {
      const secret = await get(reference, kind, id).catch((error: unknown) => {
        throw missing(name, reference, error);
      });
      value = value.replace(reference, () => secret);
    }
    return [name, value];
  });
  return Object.fromEntries(await Promise.all(entries));
}

function missing(variable: string, reference: string, error: unknown): PlatformError {
  return new PlatformError(
    'CONFIG_MISSING_SECRET',
    `The variable ${variable} needs ${reference}, which could not be read: ${(error as Error).message}. Check its name and that the function's role may read it.`,
    { variable, reference },
    { cause: error },
  );
}

async function fetchSecret(
  kind: string,
  name: string,
  { host, baseFetch }: { readonly host: Variables; readonly baseFetch: FetchLike | undefined },
): Promise<string> {
  const service = SERVICES[kind];
  if (service === undefined) throw new Error('there is no such service');
  const [id = '', key] = kind === 'secretsmanager' ? name.split('#', 2) : [name];
  const region = host['AWS_REGION'] ?? host['AWS_DEFAULT_REGION'] ?? 'us-east-1';
  const own = host[service.endpointVariable] ?? host['AWS_ENDPOINT_URL'];
  const source = (): Promise<AwsCredentials> => roleCredentials(host);
  const send = signingFetch({ region, service: service.name, source, baseFetch });
  const response = await send(own ?? `https://${service.name}.${region}.amazonaws.com/`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': service.target },
    body: JSON.stringify(service.request(id)),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status} ${text.slice(0, 200)}`);
  const value = service.value(JSON.parse(text) as Record<string, unknown>);
  if (typeof value !== 'string') throw new Error('it has no text');
  return key === undefined ? value : member(value, key);
}

function roleCredentials(host: Variables): Promise<AwsCredentials> {
  const found = variableCredentials(host);
  return found === undefined ? Promise.reject(new Error('the function has no credentials')) : Promise.resolve(found);
}

function member(secret: string, key: string): string {
  const parsed: unknown = JSON.parse(secret);
  const value = isObject(parsed) ? parsed[key] : undefined;
  if (typeof value !== 'string') throw new Error(`it has no text under "${key}"`);
  return value;
}
