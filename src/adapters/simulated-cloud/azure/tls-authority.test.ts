import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeClock } from '../../../../tests/contract/fake-clock.ts';
import { openAuthority } from './tls-authority.ts';

const DAY_MS = 86_400_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-ca-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the authority is kept and its key is for its owner alone', async () => {
  const clock = fakeClock();
  const first = await openAuthority({ folder, clock });
  expect(await readFile(join(folder, 'ca.pem'), 'utf8')).toBe(first.ca);
  expect((await stat(join(folder, 'ca-key.pem'))).mode & 0o777).toBe(0o600);
  const second = await openAuthority({ folder, clock });
  expect(second.ca).toBe(first.ca);
  expect(second.server.cert).not.toBe(first.server.cert);
});

test("a server's certificate is signed by it, for loopback alone, and for no more than 397 days", async () => {
  const clock = fakeClock();
  const { ca, server } = await openAuthority({ clock });
  const [authority, certificate] = [new X509Certificate(ca), new X509Certificate(server.cert)];
  expect(authority.ca).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.checkIssued(authority)).toBe(true);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkHost('example.com')).toBeUndefined();
  expect(Date.parse(certificate.validTo) - clock.nowMs()).toBeLessThanOrEqual(397 * DAY_MS);
});

test.each([
  ['ends within a month', (clock: ReturnType<typeof fakeClock>) => clock.advance((5 * 365 - 29) * DAY_MS)],
  ['is not good yet, the clock having gone back', (clock: ReturnType<typeof fakeClock>) => clock.jumpWall(-2 * DAY_MS)],
])('an authority that %s is made anew', async (_why, pass) => {
  const clock = fakeClock();
  const first = await openAuthority({ folder, clock });
  pass(clock);
  expect((await openAuthority({ folder, clock })).ca).not.toBe(first.ca);
});

test.each([
  ['ca.pem', 'no certificate'],
  ['ca-key.pem', '-----BEGIN PRIVATE KEY-----'],
])('a damaged %s is replaced, with its other half', async (file, text) => {
  const clock = fakeClock();
  const first = await openAuthority({ folder, clock });
  await writeFile(join(folder, file), text);
  const second = await openAuthority({ folder, clock });
  expect(second.ca).not.toBe(first.ca);
  const certificate = new X509Certificate(second.server.cert);
  expect(certificate.verify(new X509Certificate(second.ca).publicKey)).toBe(true);
});
