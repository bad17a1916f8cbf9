import { expect, test } from 'vitest';
import { RecordedSteps } from '../../tests/contract/recorded-steps.ts';
import { silentLog } from '../../tests/fixtures/assembled.ts';
import type { JsonValue } from '../core/ports.ts';
import { cloudError } from './cloud-errors.ts';
import type { CloudProvisioner, ProvisionContext, ProvisionRequest } from './provisioner.ts';
import { resourceProvisioner } from './resource-provisioner.ts';
import type { Begun, Found, ResourceKind, TagForm, Tags } from './resource-provisioner.ts';

const tagForm: TagForm = {
  newTags: ({ ownership }) => ({ tenant: ownership.tenant, requestId: ownership.requestId }),
  tagsOver: (existing) => existing,
  isTenants: (tags, { ownership }) => tags['tenant'] === ownership.tenant,
  isMadeByRequest: (tags, { requestId }) => tags['requestId'] === requestId,
};

/** A cloud of one resource, which a test changes as it likes. */
class Cloud {
  found: Found | undefined;
  part: Found | undefined;
  created = 0;
  asked = 0;
  onCreate: (tags: Tags) => Promise<Begun | undefined> = (tags) => {
    this.found = resource(tags);
    return Promise.resolve(undefined);
  };
  /** What becomes of an operation, question by question. */
  progress: (true | undefined)[] = [];
}

const resource = (tags: Tags, more: Partial<Found> = {}): Found => ({ tags, outputs: {}, settings: {}, ...more });

function kindOf(cloud: Cloud, isLong: boolean): ResourceKind {
  return {
    noun: 'thing',
    fixed: [],
    taken: ['Taken'],
    isCreateExclusive: true,
    find: () => Promise.resolve(cloud.found),
    remains: () => Promise.resolve(cloud.part),
    create: (tags) => {
      cloud.created += 1;
      return cloud.onCreate(tags);
    },
    ...(isLong
      ? {
          progress: () => {
            cloud.asked += 1;
            return Promise.resolve(cloud.progress.shift());
          },
        }
      : {}),
    tag: () => Promise.resolve(),
    change: () => Promise.resolve(),
    remove: () => {
      cloud.found = undefined;
      cloud.part = undefined;
      return Promise.resolve();
    },
  };
}

const input: ProvisionRequest = { cloud: 'aws', service: 'thing', params: {}, tenant: 'team-x', env: 'dev' };

function jobOf(
  cloud: Cloud,
  options: { readonly isLong?: boolean; readonly isRollback?: boolean } = {},
): CloudProvisioner {
  const record = new Map<string, JsonValue>();
  const ownership = { tenant: 'team-x', env: 'dev', service: 'thing', requestId: 'r-1', owner: 'ada' } as const;
  const context: ProvisionContext = {
    request: input,
    id: 'aws:-:thing:a',
    requestId: 'r-1',
    ownership: { ...ownership, 'managed-by': 'zeroplane' },
    userTags: {},
    place: {
      label: 'simulated',
      egress: { request: () => Promise.reject(new Error('not asked')) },
      secrets: { get: () => Promise.resolve(undefined) },
      env: {},
    },
    steps: new RecordedSteps(record, { advance: () => undefined }),
    isRollback: options.isRollback,
    log: silentLog,
    signal: new AbortController().signal,
  };
  const make = (): ResourceKind => kindOf(cloud, options.isLong === true);
  return resourceProvisioner(context, { tagForm, make, stepsOf: () => [] });
}

test('a resource that the cloud gave up on is refused in its words, and made again by a retry', async () => {
  const cloud = new Cloud();
  cloud.onCreate = (tags) => {
    cloud.found = resource(tags, { isReady: false, problem: 'no such image' });
    return Promise.resolve(undefined);
  };
  await expect(jobOf(cloud).provision(input)).rejects.toMatchObject({
    code: 'CLOUD_REFUSED',
    message: expect.stringContaining('no such image') as string,
  });
  cloud.onCreate = (tags) => {
    cloud.found = resource(tags);
    return Promise.resolve(undefined);
  };
  expect(await jobOf(cloud).provision(input)).toMatchObject({ isAdopted: false });
  expect(cloud.created).toBe(2);
});

test("another request's resource that will never be ready is adopted by nobody, nor made again", async () => {
  const cloud = new Cloud();
  cloud.found = resource({ tenant: 'team-x', requestId: 'r-0' }, { isReady: false, problem: 'no such image' });
  await expect(jobOf(cloud).provision(input)).rejects.toMatchObject({ code: 'CLOUD_REFUSED' });
  expect(cloud.created).toBe(0);
});

test('of two tenants that think they made it, the one whose tags were overwritten is told', async () => {
  const cloud = new Cloud();
  cloud.onCreate = () => {
    cloud.found = resource({ tenant: 'team-y', requestId: 'theirs' });
    return Promise.resolve(undefined);
  };
  await expect(jobOf(cloud).provision(input)).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
});

test('an operation is asked for until it is over', async () => {
  const cloud = new Cloud();
  cloud.progress = [undefined, undefined, true];
  cloud.onCreate = (tags) => {
    cloud.found = resource(tags);
    return Promise.resolve({ handle: 'operation-1', everyMs: 1 });
  };
  expect(await jobOf(cloud, { isLong: true }).provision(input)).toMatchObject({ isAdopted: false });
  expect(cloud.asked).toBe(3);
});

test('one that is over at once is not asked for', async () => {
  const cloud = new Cloud();
  await jobOf(cloud, { isLong: true }).provision(input);
  expect(cloud.asked).toBe(0);
});

test('a name that is taken by what cannot be seen is not ours', async () => {
  const cloud = new Cloud();
  const failure = { cloud: 'aws', fault: 'refused', operation: 'CreateThing', message: 'taken' } as const;
  cloud.onCreate = () => Promise.reject(cloudError({ ...failure, cloudCode: 'Taken' }));
  await expect(jobOf(cloud).provision(input)).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
  cloud.onCreate = () => Promise.reject(cloudError({ ...failure, cloudCode: 'Quota' }));
  await expect(jobOf(cloud).provision(input)).rejects.toMatchObject({ code: 'CLOUD_REFUSED' });
});

test('parts that are left of a resource are removed too, by their maker', async () => {
  const cloud = new Cloud();
  cloud.part = resource({ tenant: 'team-x', requestId: 'r-0' });
  await jobOf(cloud, { isRollback: true }).destroy('aws:-:thing:a');
  expect(cloud.part).toBeDefined();
  await jobOf(cloud).destroy('aws:-:thing:a');
  expect(cloud.part).toBeUndefined();
});
