import { expect, test } from 'vitest';
import { crashRuns } from '../../../../tests/faults/store-crash.ts';

test('a process killed at any moment has lost nothing it acknowledged and left no half transaction', async () => {
  const report = await crashRuns({ kills: 4, seed: 7 });
  expect(report.acknowledged).toBeGreaterThan(0);
});
