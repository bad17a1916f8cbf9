/**
 * AWS Signature Version 4: requests are signed in their headers, and checked there or in the query of a presigned URL.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

const ALGORITHM = 'AWS4-HMAC-SHA256';
const UNSIGNED = 'UNSIGNED-PAYLOAD';
/** Begins what stands for the digest of a body that is sent in pieces. */
const STREAMING = 'STREAMING-';
/** Clocks may differ by this, as on AWS. */
const MAX_SKEW_MS = 300_000;
/** A presigned URL is good for a week at most. */
const MAX_EXPIRES_SECONDS = 604_800;

export interface SignedRequest {
  readonly method: string;
  /** As it stood in the request line, still encoded, without the query. */
  readonly path: string;
  /** As it stood in the request line, without `?`. */
  readonly query: string;
  /** Names in lower case; of a header that came several times the values joined by commas. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** What a request says about its own signature. */
export interface Claim {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
  /** `20260731T120000Z`. */
  readonly stamp: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** Seconds that a presigned URL is good for; absent for a signature in the headers. */
  readonly expiresSeconds: number | undefined;
}

export type Refusal =
  /** It is signed, but not in this form, or parts are missing. */
  | 'malformed'
  /** Its time is too far from ours, or its URL has expired. */
  | 'expired'
  /** The body is not the one that was signed. */
  | 'body'
  /** The signature is not ours. */
  | 'mismatch';

/** Whether a request carries a signature of this kind at all. */
export function isSigned(request: Pick<SignedRequest, 'query' | 'headers'>): boolean {
  return headerOf(request, 'authorization')?.startsWith('AWS4-') === true || request.query.includes('X-Amz-Algorithm=');
}

/** Reads the signature of a request; `undefined` when it is malformed or not there. Nothing is checked yet. */
export function readClaim(request: SignedRequest): Claim | undefined {
  const authorization = headerOf(request, 'authorization');
  if (authorization?.startsWith('AWS4-') === true) return claimOfHeaders(authorization, request);
  return claimOfQuery(new URLSearchParams(request.query));
}

function claimOfHeaders(authorization: string, request: SignedRequest): Claim | undefined {
  const match = /^AWS4-HMAC-SHA256\s+(.+)$/.exec(authorization);
  const parts = new Map(
    (match?.[1] ?? '').split(',').map((part) => {
      const [key = '', ...rest] = part.trim().split('=');
      return [key, rest.join('=')] as const;
    }),
  );
  const date = headerOf(request, 'x-amz-date') ?? compactDate(headerOf(request, 'date'));
  return claimOf({
    credential: parts.get('Credential'),
    stamp: date,
    signedHeaders: parts.get('SignedHeaders'),
    signature: parts.get('Signature'),
    expires: undefined,
  });
}

function claimOfQuery(query: URLSearchParams): Claim | undefined {
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) return undefined;
  const expires = query.get('X-Amz-Expires');
  if (expires === null || !/^\d{1,6}$/.test(expires)) return undefined;
  return claimOf({
    credential: query.get('X-Amz-Credential') ?? undefined,
    stamp: query.get('X-Amz-Date') ?? undefined,
    signedHeaders: query.get('X-Amz-SignedHeaders') ?? undefined,
    signature: query.get('X-Amz-Signature') ?? undefined,
    expires,
  });
}

interface Written {
  readonly credential: string | undefined;
  readonly stamp: string | undefined;
  readonly signedHeaders: string | undefined;
  readonly signature: string | undefined;
  readonly expires: string | undefined;
}

function claimOf(written: Written): Claim | undefined {
  const { credential = '', stamp = '', signedHeaders = '', signature = '', expires } = written;
  const match = /^([A-Za-z0-9]{1,128})\/(\d{8})\/([a-z0-9-]{1,64})\/([a-z0-9.-]{1,64})\/aws4_request$/.exec(credential);
  const [, accessKeyId, day, region, service] = match ?? [];
  if (accessKeyId === undefined || region === undefined || service === undefined) return undefined;
  if (!/^\d{8}T\d{6}Z$/.test(stamp) || stamp.slice(0, 8) !== day || !/^[0-9a-f]{64}$/.test(signature)) return undefined;
  const names = signedHeaders.split(';');
  if (!names.includes('host') || names.some((name) => !/^[a-z0-9-]+$/.test(name))) return undefined;
  const expiresSeconds = expires === undefined ? undefined : Number(expires);
  return { accessKeyId, region, service, stamp, signedHeaders: names, signature, expiresSeconds };
}

export interface VerifyOptions {
  readonly secretAccessKey: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly body: Uint8Array;
  /** Whether the digest of a body may be left out of a signature, as S3 allows. @default false */
  readonly mayLeaveBodyOpen?: boolean;
}

/** @returns why the request is refused, or `undefined` when it is signed with the secret and nothing was changed. */
export function verify(request: SignedRequest, claim: Claim, options: VerifyOptions): Refusal | undefined {
  const { secretAccessKey, nowMs } = options;
  if (!isInTime(claim, nowMs)) return 'expired';
  // What says something to the service must be signed, or somebody on the way could say it.
  const isOpen = Object.keys(request.headers).some(
    (name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name),
  );
  if (isOpen) return 'malformed';
  const digests = digestsOf(request, claim, options);
  if (digests === undefined) return 'body';
  return digests.some((digest) => isSignatureOf(request, claim, { digest, secretAccessKey })) ? undefined : 'mismatch';
}

/** What may stand for the body in the signature; `undefined` when the request names another body's digest. */
function digestsOf(request: SignedRequest, claim: Claim, options: VerifyOptions): readonly string[] | undefined {
  const { body, mayLeaveBodyOpen = false } = options;
  const actual = hash(body);
  const said =
    headerOf(request, 'x-amz-content-sha256') ?? new URLSearchParams(request.query).get('X-Amz-Content-Sha256');
  const mayBeOpen = mayLeaveBodyOpen || (claim.expiresSeconds !== undefined && body.length === 0);
  if (said === null || said === undefined) return mayBeOpen ? [actual, UNSIGNED] : [actual];
  if (said === actual || (said === UNSIGNED && mayBeOpen)) return [said];
  return mayLeaveBodyOpen && said.startsWith(STREAMING) ? [said] : undefined;
}

function isInTime({ stamp, expiresSeconds }: Claim, nowMs: number): boolean {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp) ?? [];
  const signedMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (!Number.isFinite(signedMs) || signedMs - nowMs > MAX_SKEW_MS) return false;
  if (expiresSeconds === undefined) return nowMs - signedMs <= MAX_SKEW_MS;
  return expiresSeconds <= MAX_EXPIRES_SECONDS && nowMs <= signedMs + expiresSeconds * 1000;
}

function isSignatureOf(
  request: SignedRequest,
  claim: Claim,
  at: { readonly digest: string; readonly secretAccessKey: string },
): boolean {
  const expected = signatureOf(canonicalRequest(request, claim, at.digest), claim, at.secretAccessKey);
  return timingSafeEqual(Buffer.from(expected), Buffer.from(claim.signature));
}

/** What of a claim goes into its signature. */
type Signing = Pick<Claim, 'region' | 'service' | 'stamp' | 'signedHeaders'>;

function canonicalRequest(request: SignedRequest, signing: Signing, digest: string): string {
  return [
    request.method,
    // S3 signs the path as it is sent; everybody else encodes it once more.
    signing.service === 's3' ? request.path : canonicalPath(request.path),
    canonicalQuery(request.query),
    ...signing.signedHeaders.map((name) => `${name}:${tidy(headerOf(request, name) ?? '')}`),
    '',
    signing.signedHeaders.join(';'),
    digest,
  ].join('\n');
}

function scopeOf({ stamp, region, service }: Signing): string {
  return `${stamp.slice(0, 8)}/${region}/${service}/aws4_request`;
}

function signatureOf(canonical: string, signing: Signing, secretAccessKey: string): string {
  const { stamp, region, service } = signing;
  const text = [ALGORITHM, stamp, scopeOf(signing), hash(canonical)].join('\n');
  const day = mac(`AWS4${secretAccessKey}`, stamp.slice(0, 8));
  const key = [region, service, 'aws4_request'].reduce<Buffer>(mac, day);
  return mac(key, text).toString('hex');
}

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

/** @returns the headers to send in addition: date, body digest, session token and the signature. */
export function sign(request: SignableRequest, options: SigningOptions): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken, region, service, now } = options;
  const url = new URL(request.url);
  const digest = hash(request.body);
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const added: Record<string, string> = {
    'x-amz-date': stamp,
    'x-amz-content-sha256': digest,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const headers: Record<string, string> = { ...added, host: url.host };
  for (const [name, value] of Object.entries(request.headers)) headers[name.toLowerCase()] = value;
  const signing = { region, service, stamp, signedHeaders: Object.keys(headers).sort(order) };
  const sent = { method: request.method.toUpperCase(), path: url.pathname, query: url.search.slice(1), headers };
  const signature = signatureOf(canonicalRequest(sent, signing, digest), signing, secretAccessKey);
  const names = signing.signedHeaders.join(';');
  const authorization = `${ALGORITHM} Credential=${accessKeyId}/${scopeOf(signing)}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...added, authorization };
}

function canonicalPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(encode(segment));
  }
  const end = path.endsWith('/') && kept.length > 0 ? '/' : '';
  return `/${kept.join('/')}${end}`;
}

function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((part) => part !== '' && !part.startsWith('X-Amz-Signature='))
    .map((part) => {
      const at = part.indexOf('=');
      return [
        encode(decode(at < 0 ? part : part.slice(0, at))),
        encode(decode(at < 0 ? '' : part.slice(at + 1))),
      ] as const;
    })
    .sort(([oneKey, oneValue], [key, value]) => order(oneKey, key) || order(oneValue, value))
    .map(([key, value]) => `${key}=${value}`)
    .join('&');
}

const order = (one: string, other: string): number => (one < other ? -1 : Number(one > other));

/** RFC 3986: all but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return text;
  }
}

const tidy = (value: string): string => value.trim().replaceAll(/ +/g, ' ');

function headerOf({ headers }: Pick<SignedRequest, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? (value as readonly string[]).join(',') : (value as string | undefined);
}

/** A date of HTTP in the form of the signature. */
function compactDate(date: string | undefined): string | undefined {
  const ms = Date.parse(date ?? '');
  return Number.isFinite(ms) ? new Date(ms).toISOString().replaceAll(/[-:]|\.\d{3}/g, '') : undefined;
}

const hash = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const mac = (key: string | Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();
