/**
 * The certificate authority of the simulated Azure: its SDKs send bearers over TLS alone. The authority's certificate is
 * kept, so that clients trust it once; a server's is made for each start. Whoever trusts the authority trusts its key, so
 * that the key never leaves the data folder and both are for this machine's loopback addresses only.
 */

import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { Clock } from '../../../core/ports.ts';
import type { ServerKey } from '../rest-endpoint.ts';

export interface TlsAuthority {
  /** PEM of its certificate: what clients trust. */
  readonly ca: string;
  /** Of a server at `localhost`, `127.0.0.1` and `::1`. */
  readonly server: ServerKey;
}

const CA_FILE = 'ca.pem';
const KEY_FILE = 'ca-key.pem';
const DAY_MS = 86_400_000;
const CA_DAYS = 5 * 365;
/** One that ends sooner is made anew. */
const LEAST_DAYS = 30;
/** Clients refuse certificates of servers that are good for longer. */
const SERVER_DAYS = 397;
/** Clocks of two programs may differ. */
const BACKDATED_MS = DAY_MS;

interface Pair {
  readonly key: string;
  readonly cert: string;
}

/** @param options.folder - The data folder; absent, the authority is forgotten with the process. */
export async function openAuthority(options: {
  readonly folder?: string | undefined;
  readonly clock: Clock;
}): Promise<TlsAuthority> {
  const { folder, clock } = options;
  const kept = folder === undefined ? undefined : await readKept(folder, clock.nowMs());
  const authority = kept ?? (await makeAuthority(clock.nowMs()));
  if (folder !== undefined && kept === undefined) await keep(folder, authority);
  return { ca: authority.cert, server: await makeServer(authority, clock.nowMs()) };
}

/** `undefined` when there is none, it ends soon, or its key is another's. */
async function readKept(folder: string, nowMs: number): Promise<Pair | undefined> {
  try {
    const [cert, key] = await Promise.all([
      readFile(join(folder, CA_FILE), 'utf8'),
      readFile(join(folder, KEY_FILE), 'utf8'),
    ]);
    const certificate = new X509Certificate(cert);
    const endsMs = Date.parse(certificate.validTo);
    const isFresh = endsMs - nowMs > LEAST_DAYS * DAY_MS && Date.parse(certificate.validFrom) <= nowMs;
    return isFresh && certificate.checkPrivateKey(createPrivateKey(key)) ? { cert, key } : undefined;
  } catch {
    return undefined;
  }
}

async function keep(folder: string, { cert, key }: Pair): Promise<void> {
  await mkdir(folder, { recursive: true });
  await replace(join(folder, KEY_FILE), key, 0o600);
  await replace(join(folder, CA_FILE), cert, 0o644);
}

/** Never half a file, and the mode from its first byte on. */
async function replace(path: string, text: string, mode: number): Promise<void> {
  const fresh = `${path}.new`;
  await writeFile(fresh, text, { mode });
  await rename(fresh, path);
}

async function makeAuthority(nowMs: number): Promise<Pair> {
  const made = await generate([{ name: 'commonName', value: 'Zeroplane simulated cloud' }], {
    ...common(nowMs, CA_DAYS),
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { key: made.private, cert: made.cert };
}

async function makeServer(ca: Pair, nowMs: number): Promise<ServerKey> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...common(nowMs, SERVER_DAYS),
    ca,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  return { key: made.private, cert: made.cert };
}

function common(nowMs: number, days: number): Parameters<typeof generate>[1] {
  return {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - BACKDATED_MS),
    notAfterDate: new Date(nowMs + days * DAY_MS),
  };
}
