/** Whole jobs on a cloud that takes no tags with the creation, and processes that end between the creation and its tags. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { contextOf, memoryStore, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { refused } from '../../tests/fixtures/thing-service.ts';
import type { StoreRoot } from '../core/ports.ts';
import { resourceProvisioner } from './resource-provisioner.ts';
import type { ResourceKind, TagForm, Tags } from './resource-provisioner.ts';
import type { ServiceDefinition } from './service.ts';

const params = { name: 'one' };
const tagForm: TagForm = {
  newTags: ({ ownership: { tenant, requestId } }) => ({ tenant, requestId }),
  tagsOver: (existing) => existing,
  isTenants: (tags, { ownership }) => tags['tenant'] === ownership.tenant,
  isMadeByRequest: (tags, { requestId }) => tags['requestId'] === requestId,
  isClouds: () => false,
};

let store: StoreRoot;
let at: Started;
/** The one box there may be. */
let box: Tags | undefined;
/** Called once a box is there and before it has tags. */
let whileBare: () => Promise<void>;

const kind = (): ResourceKind => ({
  noun: 'box',
  fixed: [],
  taken: [],
  isCreateExclusive: true,
  find: () => Promise.resolve(box && { tags: box, outputs: {}, settings: {} }),
  isEmpty: () => Promise.resolve(true),
  create: async () => {
    box = {};
    await whileBare();
    return undefined;
  },
  tag: (tags) => {
    box = tags;
    return Promise.resolve();
  },
  change: () => Promise.resolve(),
  remove: () => {
    box = undefined;
    return Promise.resolve();
  },
});

const boxes: ServiceDefinition = {
  cloud: 'aws',
  service: 'box',
  title: 'A box.',
  version: '1',
  params: z.strictObject({ name: z.string().describe('Name of the box.') }),
  regions: ['us-east-1'],
  idempotency: 'name',
  nameOf: () => 'one',
  stepsOf: () => ['create-box', 'await-box'],
  estimate: () => ({ monthlyUsd: 0, usage: [], pricesOf: '2026-11-01' }),
  load: () =>
    Promise.resolve({
      create: (context) => resourceProvisioner(context, { tagForm, make: kind, stepsOf: () => [] }),
    }),
};

const begin = async (): Promise<void> => {
  at = await startControlPlane({ store, services: [boxes] });
};

/** A job whose process ends while what it made has no tags. */
async function died(): Promise<string> {
  const reached = new Promise<void>((resolve) => {
    whileBare = () => {
      resolve();
      return new Promise(() => undefined);
    };
  });
  const { requestId } = await at.submit({ service: 'box', params });
  await reached;
  await at.stop();
  whileBare = () => Promise.resolve();
  return requestId;
}

beforeEach(async () => {
  store = await memoryStore();
  box = undefined;
  await begin();
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

test('the next process tags what the one before made, and the job succeeds', async () => {
  const requestId = await died();
  expect(box).toEqual({});
  await begin();
  expect(await at.ended(requestId)).toMatchObject({ status: 'succeeded', result: { isAdopted: false } });
  expect(box).toEqual({ tenant: 'team-x', requestId });
  expect((await at.plane.resources({}, contextOf())).items).toEqual([expect.not.objectContaining({ wasFree: true })]);
});

test('a bare one that was there before the job, or came after its end, belongs to nobody', async () => {
  box = {};
  const early = await at.submit({ service: 'box', params });
  expect(await at.ended(early.requestId)).toMatchObject({ status: 'failed', error: { code: 'RESOURCE_NOT_OWNED' } });
  box = undefined;
  whileBare = () => Promise.resolve();
  const made = await at.submit({ service: 'box', params });
  expect((await at.ended(made.requestId)).status).toBe('succeeded');
  box = {};
  const again = await at.submit({ service: 'box', params });
  expect(await at.ended(again.requestId)).toMatchObject({ error: { code: 'RESOURCE_NOT_OWNED' } });
  expect(box).toEqual({});
});

test('what a job could not tag is undone with it', async () => {
  whileBare = () => Promise.reject(refused('TagBox'));
  const { requestId } = await at.submit({ service: 'box', params });
  expect(await at.ended(requestId)).toMatchObject({ status: 'rolled_back', error: { code: 'CLOUD_REFUSED' } });
  expect([box, (await at.plane.resources({}, contextOf())).items]).toEqual([undefined, []]);
});
