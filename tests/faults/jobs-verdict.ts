/** What must hold of a store and a cloud once all jobs of a run have ended, whatever happened on the way. */

import { expect } from 'vitest';
import type { SimulatedAws } from '../../src/adapters/aws/services/simulated-for-test.ts';
import { verifyAudit } from '../../src/audit/verify.ts';
import type { StoreRoot } from '../../src/core/ports.ts';
import { JOBS, JOB_EVENTS, RESOURCE_LOCKS, fromItem, isEnded, type Job } from '../../src/provisioning/job.ts';
import { RESOURCES } from '../../src/provisioning/resource-store.ts';
import type { StoredOperation } from '../../src/workflows/durable/operation.ts';
import { joinTexts } from '../../src/workflows/durable/parts.ts';
import { JOURNAL } from '../../src/workflows/durable/tables.ts';
import { EXECUTIONS } from '../../src/workflows/engine/tables.ts';
import { KEY } from '../fixtures/control-plane.ts';

export interface JobsRun {
  readonly about: string;
  readonly tenant: string;
  readonly aws: SimulatedAws;
  /** Of each job that was acknowledged, by its key. */
  readonly accepted: ReadonlyMap<string, string>;
  /** Code and words of the requests that were refused, by their key. */
  readonly refused: ReadonlyMap<string, string>;
  /** Ids of the events that came by webhook, each time one came. */
  readonly told: readonly string[];
}

/** @returns how the jobs ended, by their key. */
export async function judgeJobs(root: StoreRoot, run: JobsRun): Promise<readonly Job[]> {
  const { about, tenant, accepted } = run;
  const store = root.store(tenant);
  const { items } = await store.table(JOBS).query({ index: 'byTenant', partition: 'jobs' });
  const jobs = items.map(fromItem);
  // None is lost, none is there twice, none is stuck.
  expect(jobs.map(({ requestId }) => requestId).toSorted(), about).toEqual([...accepted.values()].toSorted());
  expect(jobs.filter(({ status }) => !isEnded(status) || status === 'rollback_failed').map(briefly), about).toEqual([]);
  for (const job of jobs) await judgeEvents(root, job, about);
  for (const { resourceId } of jobs)
    expect(await store.table(RESOURCE_LOCKS).get({ id: resourceId }), about).toBeUndefined();
  await judgeCloud(root, jobs, run);
  // At least once, and of this end alone.
  for (const { requestId, status, round } of jobs)
    expect([...new Set(run.told.filter((id) => id.startsWith(requestId)))], about).toEqual([
      `${requestId}-${status}-${round}`,
    ]);
  const { problems } = await verifyAudit(root, tenant, KEY);
  expect(problems, about).toEqual([]);
  return jobs;
}

const briefly = ({ service, action, status, error, reason }: Job): object => ({
  service,
  action,
  status,
  error,
  reason,
});

async function judgeEvents(root: StoreRoot, { requestId, status, tenant }: Job, about: string): Promise<void> {
  const { items } = await root.store(tenant).table(JOB_EVENTS).query({ partition: requestId });
  const types = items.map(({ type }) => type);
  expect([types.filter((type) => type === 'job-ended').length, types.at(-1)], about).toEqual([1, 'job-ended']);
  expect(
    items.map(({ position }) => Number(position)),
    about,
  ).toEqual(items.map((_item, at) => at + 1));
  expect(items.at(-1)?.['data'], about).toMatchObject({ status });
}

/** What the cloud has is what the tenant is told that it has: no orphan, nothing missing, nothing twice. */
async function judgeCloud(root: StoreRoot, jobs: readonly Job[], run: JobsRun): Promise<void> {
  const { about, tenant, aws, accepted, refused } = run;
  const byId = new Map(jobs.map((job) => [job.requestId, job]));
  const present = new Map<string, string>();
  for (const key of [...accepted.keys()].toSorted()) {
    const job = byId.get(accepted.get(key) ?? '');
    if (job?.status !== 'succeeded') continue;
    if (job.action === 'destroy') present.delete(job.resourceId);
    else present.set(job.resourceId, job.service);
  }
  // Only what is not there may be refused.
  expect(
    [...refused.values()].filter((words) => !words.startsWith('RESOURCE_NOT_FOUND ')),
    about,
  ).toEqual([]);
  const { items } = await root.store(tenant).table(RESOURCES).query({ index: 'byTenant', partition: 'resources' });
  const listed = items.map(({ id }) => id as string).toSorted();
  const expected = [...present].flatMap(([id, service]) => (service === 'web-stack' ? partsOfStack(id) : [id]));
  expect(listed, about).toEqual(expected.toSorted());
  const held = (await aws.owned(tenant)).map((each) => each.split('/')[0] ?? '');
  const wanted = [...present.values()].flatMap((service) => PARTS[service] ?? []);
  expect(held.toSorted(), about).toEqual(wanted.toSorted());
}

const partsOfStack = (id: string): string[] => ['ec2', 'vpc', 'web-stack'].map((part) => id.replace('web-stack', part));

const NETWORK = ['vpc', 'internet-gateway', 'route-table', 'security-group', 'subnet'].map((part) => `ec2-${part}`);
/** What each service of the plans is in the cloud. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  s3: ['s3-bucket'],
  sqs: ['sqs-queue'],
  dynamodb: ['dynamodb-table'],
  'iam-role': ['iam-role'],
  vpc: [...NETWORK, 'ec2-subnet'],
  'web-stack': [...NETWORK, 'ec2-instance', 'ec2-address'],
};

/**
 * Steps that the journal knows to have succeeded, as `EXECUTION STEP`; names that an execution uses more than once are
 * left out.
 */
export async function completedSteps(root: StoreRoot, tenant: string): Promise<ReadonlySet<string>> {
  const store = root.store(tenant);
  const { items } = await store.table(EXECUTIONS).query({ index: 'all', partition: 'all' });
  const completed = new Set<string>();
  for (const { id, name } of items) {
    const steps = new Map<string, { readonly name: string; readonly isDone: boolean }>();
    const page = await store.table(JOURNAL).query({ partition: id as string, prefix: 'c' });
    for (const found of joinTexts(page.items)) {
      const { o } = JSON.parse(found?.text ?? '{"o":[]}') as { readonly o: readonly StoredOperation[] };
      for (const { id: at, type, name: step = '', status } of o)
        if (type === 'STEP') steps.set(at, { name: step, isDone: status === 'SUCCEEDED' });
    }
    const all = [...steps.values()];
    for (const { name: step, isDone } of all)
      if (isDone && all.filter((each) => each.name === step).length === 1) completed.add(`${name as string} ${step}`);
  }
  return completed;
}

/** The same of an effect's key, `execution/resource/step#visit`. */
export function stepOfKey(key: string): string {
  const [execution = ''] = key.split('/');
  const step = key.slice(key.lastIndexOf('/') + 1).replace(/#\d+$/, '');
  return `${execution} ${step}`;
}
