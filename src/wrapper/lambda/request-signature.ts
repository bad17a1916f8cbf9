/**
 * AWS Signature Version 4 for one request.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */

import { createHash, createHmac } from 'node:crypto';

export interface SignableRequest {
  readonly method: string;
  readonly url: string;
  /** Each of them is signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface SigningOptions {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
  readonly service: string;
  readonly now: Date;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

const hash = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const mac = (key: string | Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** @returns the headers to send in addition: date, body digest, session token and the signature. */
export function sign(request: SignableRequest, options: SigningOptions): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken, region, service, now } = options;
  const url = new URL(request.url);
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const added: Record<string, string> = {
    'x-amz-date': stamp,
    'x-amz-content-sha256': hash(request.body),
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const headers = canonicalHeaders({ ...request.headers, ...added, host: url.host });
  const names = headers.map(([name]) => name).join(';');
  const canonical = [
    request.method.toUpperCase(),
    canonicalPath(url.pathname),
    canonicalQuery(url.searchParams),
    ...headers.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    hash(request.body),
  ].join('\n');
  const scope = `${stamp.slice(0, 8)}/${region}/${service}/aws4_request`;
  const key = [region, service, 'aws4_request'].reduce(mac, mac(`AWS4${secretAccessKey}`, stamp.slice(0, 8)));
  const signature = mac(key, [ALGORITHM, stamp, scope, hash(canonical)].join('\n')).toString('hex');
  const authorization = `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...added, authorization };
}

function canonicalHeaders(headers: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(headers)
    .map(([name, value]): [string, string] => [name.toLowerCase(), value.trim().replaceAll(/\s+/g, ' ')])
    .sort(([one], [other]) => order(one, other));
}

/** Every service but S3 wants the path, encoded as it is sent, encoded once more. */
function canonicalPath(path: string): string {
  return path.split('/').map(encode).join('/');
}

/** In the order of the names; a name that begins like another comes after it, whatever its value. */
function canonicalQuery(parameters: URLSearchParams): string {
  return [...parameters]
    .map(([name, value]) => [encode(name), encode(value)])
    .sort(([one = '', a = ''], [other = '', b = '']) => (one === other ? order(a, b) : order(one, other)))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function order(one: string, other: string): number {
  return one < other ? -1 : 1;
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
