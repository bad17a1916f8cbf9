/** The same requests to a Cloud Storage that nobody here wrote, and to ours: statuses, reasons and fields must agree. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOKEN, simulatedGcp } from '../../src/adapters/simulated-cloud/cloud-for-test.ts';
import type { SimulatedCloud } from '../../src/adapters/simulated-cloud/cloud-for-test.ts';
import type { GcpEndpoint } from '../../src/adapters/simulated-cloud/gcp/gcp-endpoint.ts';

const { PEER_FAKE_GCS: peer } = process.env;
if (peer === undefined) throw new Error('PEER_FAKE_GCS is not set: `npm run test:peers -- fake-gcs-server` runs this.');

let ours: SimulatedCloud<GcpEndpoint>;
beforeAll(async () => {
  ours = await simulatedGcp();
});
afterAll(() => ours.close());

interface Seen {
  /** Hundreds of the status: Google answers 204 where fake-gcs-server has 200. */
  readonly kind: number;
  readonly reason: string | undefined;
  /** The fields that were asked for. */
  readonly fields: Readonly<Record<string, unknown>>;
}

type Body = Readonly<Record<string, unknown>> & {
  readonly error?: { readonly errors?: readonly { reason?: string }[] };
};

async function ask(origin: string, request: string, body: unknown, fields: readonly string[]): Promise<Seen> {
  const [method = 'GET', path = ''] = request.split(' ');
  const isText = typeof body === 'string';
  const response = await fetch(origin + path, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': isText ? 'text/plain' : 'application/json' }),
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed = text.startsWith('{') ? (JSON.parse(text) as Body) : {};
  return {
    kind: Math.floor(response.status / 100),
    reason: parsed.error?.errors?.[0]?.reason,
    fields: Object.fromEntries(fields.map((field) => [field, parsed[field]])),
  };
}

const BUCKET = '/storage/v1/b/wire-test';

test.each([
  [
    'POST /storage/v1/b?project=p',
    { name: 'wire-test', versioning: { enabled: true } },
    ['kind', 'id', 'name', 'versioning'],
  ],
  ['POST /storage/v1/b?project=p', { name: 'wire-test' }, []],
  ['POST /storage/v1/b?project=p', { name: '' }, []],
  [`GET ${BUCKET}`, undefined, ['kind', 'name', 'storageClass', 'metageneration', 'versioning']],
  ['GET /storage/v1/b/not-there', undefined, []],
  [`PATCH ${BUCKET}`, { versioning: { enabled: false } }, ['versioning']],
  ['PATCH /storage/v1/b/not-there', { versioning: { enabled: false } }, []],
  ['POST /upload/storage/v1/b/wire-test/o?uploadType=media&name=a.txt', 'text', ['kind', 'name', 'size', 'bucket']],
  [`GET ${BUCKET}/o`, undefined, ['kind']],
  [`GET ${BUCKET}/o/not-there`, undefined, []],
  [`DELETE ${BUCKET}/o/a.txt`, undefined, []],
  [`DELETE ${BUCKET}/o/a.txt`, undefined, []],
  [`DELETE ${BUCKET}`, undefined, []],
  [`DELETE ${BUCKET}`, undefined, []],
  [`GET ${BUCKET}`, undefined, []],
])('%s', async (request, body, fields) => {
  expect(await ask(ours.endpoint.url, request, body, fields)).toEqual(await ask(peer, request, body, fields));
});

/** Google documents 409 for it, which is what ours answers; fake-gcs-server has 412. */
test('a bucket that is not empty is deleted by neither', async () => {
  for (const origin of [ours.endpoint.url, peer]) {
    await ask(origin, 'POST /storage/v1/b?project=p', { name: 'wire-full' }, []);
    await ask(origin, 'POST /upload/storage/v1/b/wire-full/o?uploadType=media&name=a.txt', 'text', []);
    expect(await ask(origin, 'DELETE /storage/v1/b/wire-full', undefined, [])).toMatchObject({ kind: 4 });
    expect(await ask(origin, 'GET /storage/v1/b/wire-full', undefined, [])).toMatchObject({ kind: 2 });
  }
});
