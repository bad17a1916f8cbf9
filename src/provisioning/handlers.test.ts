/** State machines that no job runs: what they make and remove are jobs of whoever started them. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { ADA, memoryStore, type Started } from '../../tests/fixtures/control-plane.ts';
import { startThings } from '../../tests/fixtures/started-things.ts';
import { thingCloud, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import type { JsonValue, StoreRoot } from '../core/ports.ts';
import { builtInPolicy, type Policy } from '../policy/decide.ts';
import type { ExecutionDescription } from '../workflows/engine/workflow-engine.ts';

const task = (Resource: string, Parameters: JsonValue): JsonValue => ({
  StartAt: 'Task',
  States: { Task: { Type: 'Task', Resource, Parameters, TimeoutSeconds: 60, End: true } },
});
const MAKES = task('zeroplane-provision', { cloud: 'aws', service: 'thing', params: { name: 'one' }, env: 'prod' });
const REMOVES = task('zeroplane-destroy', { id: 'aws:us-east-1:thing:one' });

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;

async function begin(policy: Policy = builtInPolicy): Promise<void> {
  at = await startThings(store, cloud, policy);
}

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

async function ran(name: string, definition: JsonValue): Promise<ExecutionDescription> {
  await at.engine.register('team-x', { name, kind: 'asl', definition });
  const begun = new Promise<ExecutionDescription>((resolve) => {
    at.engine.onEnd((ended) => {
      if (ended.workflow === name) resolve(ended);
    });
  });
  await at.engine.start(ADA, { workflow: name, input: {} });
  return begun;
}

test('a machine makes and removes what is of another environment than the usual one', async () => {
  await begin();
  expect(await ran('makes', MAKES)).toMatchObject({ status: 'SUCCEEDED' });
  expect(cloud.things.size).toBe(1);
  expect(await ran('removes', REMOVES)).toMatchObject({ status: 'SUCCEEDED', output: { status: 'deprovisioned' } });
  expect(cloud.things.size).toBe(0);
});

test('who may not make something may not have it made by a machine either', async () => {
  const isRefused = ({ action, resource }: Parameters<Policy['decide']>[0]): boolean =>
    action === 'job:provision' && resource.tags?.['env'] === 'prod';
  await begin({
    ...builtInPolicy,
    decide: (request) =>
      isRefused(request)
        ? Promise.resolve({ allowed: false, visible: true, reason: 'nobody touches prod' })
        : builtInPolicy.decide(request),
  });
  expect(await ran('makes', MAKES)).toMatchObject({
    status: 'FAILED',
    cause: expect.stringContaining('nobody touches prod') as unknown,
  });
  expect(cloud.effects).toEqual([]);
});
