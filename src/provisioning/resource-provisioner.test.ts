import { describe, expect, test } from 'vitest';
import { RecordedSteps } from '../../tests/contract/recorded-steps.ts';
import { silentLog } from '../../tests/fixtures/assembled.ts';
import { nameRecord } from '../../tests/fixtures/name-record.ts';
import type { JsonValue } from '../core/ports.ts';
import { cloudError } from './cloud-errors.ts';
import type { CloudProvisioner, NameRecord, ProvisionContext, ProvisionRequest } from './provisioner.ts';
import { resourceProvisioner } from './resource-provisioner.ts';
import type { Begun, Found, ResourceKind, TagForm, Tags } from './resource-provisioner.ts';

const tagForm: TagForm = {
  newTags: ({ ownership }) => ({ tenant: ownership.tenant, requestId: ownership.requestId }),
  tagsOver: (existing) => existing,
  isTenants: (tags, { ownership }) => tags['tenant'] === ownership.tenant,
  isMadeByRequest: (tags, { requestId }) => tags['requestId'] === requestId,
  isClouds: (key) => key.startsWith('cloud:'),
};

/** A cloud of one resource, which a test changes as it likes. */
class Cloud {
  found: Found | undefined;
  part: Found | undefined;
  /** Whether kinds tell that it holds nothing. */
  isEmpty: boolean | undefined;
  tagged: Tags[] = [];
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
    ...(cloud.isEmpty === undefined ? {} : { isEmpty: () => Promise.resolve(cloud.isEmpty === true) }),
    tag: (tags) => {
      cloud.tagged.push(tags);
      cloud.found = cloud.found && { ...cloud.found, tags };
      return Promise.resolve();
    },
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
  options: { readonly isLong?: boolean; readonly isRollback?: boolean; readonly names?: NameRecord } = {},
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
    names: options.names,
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

describe('on a cloud that takes no tags with the creation', () => {
  const MINE = { tenant: 'team-x', requestId: 'r-1' };

  /** One whose process ended between the creation and its tags, and what its job has on record. */
  async function died(): Promise<{ readonly cloud: Cloud; readonly names: NameRecord }> {
    const cloud = new Cloud();
    const names = nameRecord();
    cloud.isEmpty = true;
    cloud.onCreate = () => {
      cloud.found = resource({ 'cloud:made-by': 'it' });
      return Promise.reject(new Error('the process ended'));
    };
    await expect(jobOf(cloud, { names }).provision(input)).rejects.toThrow('the process ended');
    return { cloud, names };
  }

  test('what it made and could not tag is its own in the next attempt, and made once', async () => {
    const { cloud, names } = await died();
    expect(await jobOf(cloud, { names }).provision(input)).toMatchObject({ isAdopted: false });
    expect([cloud.created, cloud.tagged]).toEqual([1, [MINE]]);
  });

  test('it is undone as its own', async () => {
    const { cloud, names } = await died();
    expect(await jobOf(cloud, { names }).read('aws:-:thing:a')).toMatchObject({ isOwned: true });
    await jobOf(cloud, { names, isRollback: true }).destroy('aws:-:thing:a');
    expect(cloud.found).toBeUndefined();
  });

  test('one that lives tags what it made', async () => {
    const cloud = new Cloud();
    cloud.isEmpty = true;
    cloud.onCreate = () => {
      cloud.found = resource({});
      return Promise.resolve(undefined);
    };
    expect(await jobOf(cloud, { names: nameRecord() }).provision(input)).toMatchObject({ isAdopted: false });
    expect(cloud.tagged).toEqual([MINE]);
  });

  test.each([
    [
      "carries another tenant's tags",
      (cloud: Cloud) => (cloud.found = resource({ tenant: 'team-y', requestId: 'r-9' })),
    ],
    ['carries any tag that somebody set', (cloud: Cloud) => (cloud.found = resource({ team: 'blue' }))],
    ['holds something', (cloud: Cloud) => (cloud.isEmpty = false)],
    ['is of a kind that cannot be looked into', (cloud: Cloud) => (cloud.isEmpty = undefined)],
  ])('what %s is never taken for its own', async (_what, change) => {
    const { cloud, names } = await died();
    change(cloud);
    await expect(jobOf(cloud, { names }).provision(input)).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
    expect(await jobOf(cloud, { names }).read('aws:-:thing:a')).toMatchObject({ isOwned: false });
    await jobOf(cloud, { names, isRollback: true }).destroy('aws:-:thing:a');
    expect([cloud.found === undefined, cloud.tagged]).toEqual([false, []]);
  });

  test("what was there before the job looked is nobody's", async () => {
    const cloud = new Cloud();
    cloud.isEmpty = true;
    cloud.found = resource({});
    const names = nameRecord();
    await expect(jobOf(cloud, { names }).provision(input)).rejects.toMatchObject({ code: 'RESOURCE_NOT_OWNED' });
    expect([await names.wasFree(), cloud.tagged]).toEqual([false, []]);
  });
});
