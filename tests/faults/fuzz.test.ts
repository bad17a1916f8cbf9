/**
 * Seeded fuzzing of `/mcp`, `/register` and `/message` for ZEROPLANE_FUZZ_SECONDS (10): valid HTTP with a JSON body and
 * a documented status for every input, no fault beside, no growth, and a valid request is served afterwards.
 */

import { randomInt } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { fuzz } from '../fixtures/fuzz.ts';
import { define, scriptedTarget, withGateway } from '../fixtures/instance.ts';
import { WireClient } from '../fixtures/wire-client.ts';

const seconds = Number(process.env['ZEROPLANE_FUZZ_SECONDS'] ?? 10);
const seed = Number(process.env['ZEROPLANE_FUZZ_SEED'] ?? randomInt(2 ** 31));
const MIB = 1_048_576;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Memory that is still in use: what was stored, and what was forgotten to be let go. */
function heldMib(): number {
  collect();
  return process.memoryUsage().heapUsed / MIB;
}

const docs = () =>
  scriptedTarget(
    'docs',
    [
      define('tool', { name: 'echo', inputSchema: { type: 'object' } }),
      define('prompt', { name: 'say' }),
      define('resource', { uri: 'memo:x', name: 'x' }),
    ],
    (call) =>
      `{"content":[],"messages":[],"contents":[],"completion":{"values":[]},"x":${JSON.stringify(call.parsed)}}`,
  );

test(
  `${seconds} s of broken requests (seed ${seed}) are answered as documented, and leave nothing behind`,
  async () => {
    const timeouts = { headersMs: 400, requestMs: 400, checkEveryMs: 50 };
    await withGateway({ targets: [docs()], timeouts }, async (gateway) => {
      await fuzz(gateway, { seconds: Math.min(1, seconds / 10), seed });
      const before = heldMib();
      const cases = await fuzz(gateway, { seconds, seed: seed + 1_000_000 });
      const grown = heldMib() - before;
      expect(cases).toBeGreaterThan(seconds * 50);
      // Sessions have a cap; registrations are stored, and some of the broken ones are good.
      expect(grown).toBeLessThan(20 + seconds);
      const wire = new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });
      const reply = await wire.request('tools/call', { name: 'docs___echo', arguments: { still: 'here' } });
      expect(reply.result?.['x']).toMatchObject({ arguments: { still: 'here' } });
      console.log(`${cases} cases in ${seconds} s, ${grown.toFixed(1)} MiB`);
    });
  },
  (seconds + 30) * 1_000,
);
