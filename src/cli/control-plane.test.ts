/** The verbs of the control plane and of workflows, as they are typed, against an instance of this process. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type LocalInstance } from '../testing.ts';
import { EXIT } from './exit-codes.ts';
import { runForTest, type TestOptions, type TestRun } from './run-for-test.ts';

let cwd = '';
let gateway: LocalInstance;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-control-plane-'));
  gateway = await startGateway({ dataDir: cwd });
});
afterAll(async () => {
  await gateway.close({ drainMs: 0 });
  await rm(cwd, { recursive: true, force: true });
});

const runWith = (options: Partial<TestOptions>, ...words: string[]): Promise<TestRun> =>
  runForTest([...words, '--data-dir', cwd], { cwd, ...options });
const run = (...words: string[]): Promise<TestRun> => runWith({}, ...words);

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into freely
type Parsed = any;

async function json(...words: string[]): Promise<Parsed> {
  const { code, stdout, stderr } = await run(...words, '--output', 'json');
  expect([code, stderr.match(/error.*/)?.[0]]).toEqual([EXIT.ok, undefined]);
  return JSON.parse(stdout);
}

const s3 = (name: string, ...more: string[]): string[] => [
  '--cloud',
  'aws',
  '--service',
  's3',
  '--param',
  `bucketName=${name}`,
  ...more,
];

/** A job that failed for good, after it had made a network: there is no such image. */
async function failed(): Promise<string> {
  const ec2 = 'ec2={"imageId":"ami-00000000000000000"}';
  const words = ['--cloud', 'aws', '--service', 'vpc-with-instance', '--param', ec2];
  const { code, stdout } = await run('provision', ...words, '--output', 'json');
  expect(code).toBe(EXIT.failed);
  return JSON.parse(stdout).requestId;
}

describe('provision', () => {
  test('follows the job, one line for each step on stderr, and prints what was made', async () => {
    const { code, stdout, stderr } = await run('provision', ...s3('by-flags', '--ttl', '2h', '--tag', 'team=red'));
    expect(code).toBe(EXIT.ok);
    expect(stderr).toMatch(/^Job [0-9a-f-]{36}: provision of aws:us-east-1:s3:by-flags \[simulated\]\n {2}running\n/);
    expect(stderr).toContain('  done  create-bucket  aws:us-east-1:s3:by-flags\n');
    expect(stdout).toMatch(/^succeeded provision aws:us-east-1:s3:by-flags {2}job /);
    const { expiresAt, tags } = await json('resources', 'show', 'aws:us-east-1:s3:by-flags');
    expect(tags).toMatchObject({ team: 'red' });
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(7_000_000);
  });

  test('takes the request of a file, of stdin, or as it is, with flags on top', async () => {
    const request = { cloud: 'aws', service: 's3', params: { bucketName: 'by-file' }, tenant: 'team-x', env: 'stage' };
    await writeFile(join(cwd, 'request.json'), JSON.stringify(request));
    const words = ['provision', 'request.json', '--output', 'json'];
    expect(JSON.parse((await run(...words)).stdout)).toMatchObject({ status: 'succeeded', env: 'stage' });
    const typed = await runWith(
      { stdin: JSON.stringify(request) },
      'provision',
      '-',
      '--param',
      'bucketName=by-stdin',
      '--detach',
    );
    expect(typed.stdout).toContain('aws:us-east-1:s3:by-stdin');
    const given = await run(
      'provision',
      JSON.stringify(request),
      '--param',
      'bucketName=by-word',
      '--env',
      'dev',
      '--output',
      'json',
    );
    expect(JSON.parse(given.stdout)).toMatchObject({ env: 'dev', resourceId: 'aws:us-east-1:s3:by-word' });
  });

  test('in stream-json each event is a line, and the last is the result', async () => {
    const { stdout, stderr } = await run('provision', ...s3('by-stream'), '--output', 'stream-json');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line): Parsed => JSON.parse(line));
    expect(lines[0]).toMatchObject({ type: 'step' });
    expect(lines.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['job-status-changed', 'step-started', 'step-ended', 'job-ended']),
    );
    expect(lines.at(-1)).toMatchObject({ type: 'result', value: { status: 'succeeded' } });
    expect(stderr).toBe('');
  });

  test('tells every problem of a request, and ends with 2', async () => {
    const { code, stderr, stdout } = await run(
      'provision',
      '--cloud',
      'aws',
      '--service',
      's3',
      '--param',
      'bucketNam=x',
      '--param',
      'versionin=true',
    );
    expect([code, stdout]).toEqual([EXIT.usage, '']);
    expect(stderr).toContain('error PROVISION_INVALID  ');
    expect(stderr).toContain(
      '  /params/bucketName is required\n  /params/bucketNam is not known here; did you mean "bucketName"?\n',
    );
    const asJson = await run('provision', '--cloud', 'ibm', '--service', 's3', '--output', 'json');
    expect(JSON.parse(asJson.stderr).error).toMatchObject({
      code: 'PROVISION_INVALID',
      problems: [{ pointer: '/cloud' }],
    });
  });

  test('the same key leads to the same job', async () => {
    const once = ['provision', ...s3('by-key', '--idempotency-key', 'k1')];
    const [first, second] = [await json(...once), await json(...once)];
    expect(second.requestId).toBe(first.requestId);
    expect((await run('provision', ...s3('by-other', '--idempotency-key', 'k1'))).stderr).toContain(
      'IDEMPOTENCY_MISMATCH',
    );
  });

  test.each([
    ['nothing', [], 'Name a request file'],
    ['a parameter without a value', ['--cloud', 'aws', '--service', 's3', '--param', 'x'], 'NAME=VALUE'],
    ['a time that is none', [...s3('x'), '--ttl', 'soon'], '90m'],
    ['text that is no JSON', ['{"cloud"'], 'is not valid JSON'],
  ])('%s is refused with how it is typed', async (_what, words, said) => {
    const { code, stderr } = await run('provision', ...words);
    expect([code, stderr.includes(said)]).toEqual([EXIT.usage, true]);
    expect(stderr).toContain('next: zeroplane provision --help');
  });
});

test('plan says steps and price and makes nothing', async () => {
  const { code, stdout } = await run('plan', ...s3('only-planned'));
  expect(code).toBe(EXIT.ok);
  expect(stdout).toContain('steps   create-bucket');
  expect(stdout).toMatch(/price {3}\S+ USD a month/);
  expect((await json('resources', 'ls')).resources.map(({ id }: Parsed) => id)).not.toContain(
    'aws:us-east-1:s3:only-planned',
  );
});

test('plan and provision say what is there already, and where it differs', async () => {
  await run('provision', ...s3('there'));
  expect((await run('plan', ...s3('there', '--param', 'versioning=true'))).stdout).toContain(
    [
      '  exists  it is there already, and is taken as it is',
      '          versioning is false, asked for is true',
      '          zeroplane update makes it agree',
      '  steps   create-bucket, tag-bucket, await-bucket',
    ].join('\n'),
  );
  expect((await run('provision', ...s3('there'))).stdout).toContain('  adopted  it was there already');
  expect((await run('provision', ...s3('not-there'))).stdout).not.toContain('adopted');
});

test('a request that says another action is not sent', async () => {
  const request = (action: string) =>
    JSON.stringify({
      cloud: 'aws',
      service: 's3',
      params: { bucketName: 'said' },
      tenant: 'team-x',
      env: 'dev',
      action,
    });
  const wrong = await run('provision', request('destroy'));
  expect([wrong.code, wrong.stderr]).toEqual([
    EXIT.usage,
    expect.stringContaining('The request says action "destroy", and this is zeroplane provision. Nothing was sent.'),
  ]);
  expect((await run('plan', request('update'))).code).toBe(EXIT.usage);
  expect((await run('plan', request('provision'))).code).toBe(EXIT.ok);
  expect((await run('resources', 'show', 'aws:us-east-1:s3:said')).code).toBe(EXIT.notFound);
});

test('an empty list says whether it was asked for something, and a limit that no list takes is a mistake', async () => {
  expect((await run('resources', 'ls', '--cloud', 'ibm')).stdout).toBe('No resources like that.\n');
  for (const noun of ['jobs', 'resources', 'audit'])
    expect([noun, (await run(noun, 'ls', '--limit', '501')).code]).toEqual([noun, EXIT.usage]);
});

test('update and destroy change and remove, by request or by id', async () => {
  await run('provision', ...s3('changed'));
  expect((await run('update', ...s3('changed', '--param', 'versioning=true'))).code).toBe(EXIT.ok);
  await run('provision', ...s3('elsewhere', '--env', 'prod'));
  expect(await json('destroy', 'aws:us-east-1:s3:elsewhere')).toMatchObject({ status: 'succeeded', env: 'prod' });
  expect((await run('destroy', 'aws:us-east-1:s3:changed')).stdout).toContain('succeeded destroy');
  expect((await run('destroy', 'aws:us-east-1:s3:changed')).code).toBe(EXIT.notFound);
  expect((await run('resources', 'show', 'aws:us-east-1:s3:changed')).code).toBe(EXIT.notFound);
});

test('what an undo could not remove is named, and can be destroyed', async () => {
  const faults = (method: string, body?: object) =>
    fetch(`${gateway.clouds.aws}/_zeroplane/faults`, {
      method,
      headers: { authorization: `Bearer ${gateway.token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  for (const operation of ['PutBucketEncryption', 'DeleteBucket'])
    await faults('POST', { service: 's3', operation, fault: 'already-exists', times: 9 });
  const { code, stdout } = await run('provision', ...s3('stays'));
  await faults('DELETE');
  expect([code, stdout]).toEqual([EXIT.failed, expect.stringContaining('rollback_failed provision')]);
  expect(stdout).toContain('  left  aws:us-east-1:s3:stays: aws answered DeleteBucket with BucketAlreadyExists');
  expect((await run('destroy', 'aws:us-east-1:s3:stays')).code).toBe(EXIT.ok);
});

test('a webhook that cannot be told is shown with the job', async () => {
  const request = {
    cloud: 'aws',
    service: 's3',
    params: { bucketName: 'hooked' },
    tenant: 'team-x',
    env: 'dev',
    webhook: { url: 'http://127.0.0.1:9/', secretRef: 'none-of-this-name' },
  };
  const { requestId } = await json('provision', JSON.stringify(request));
  await expect
    .poll(async () => (await run('jobs', 'show', requestId)).stdout)
    .toContain('  webhook  pending after 1 attempt: No secret has the name "none-of-this-name"');
});

describe('jobs', () => {
  test('ls tells why a job failed, and takes the code as a filter', async () => {
    const requestId = await failed();
    const { code } = (await json('jobs', 'show', requestId)).error;
    expect((await run('jobs', 'ls')).stdout).toMatch(new RegExp(`${requestId}.*${code}`));
    const { jobs } = await json('jobs', 'ls', '--error', code);
    expect(jobs.map((job: Parsed) => job.requestId)).toContain(requestId);
    expect((await run('jobs', 'ls', '--error', 'JOB_UNPROCESSABLE')).stdout).toBe('No jobs like that.\n');
  });

  test('ls and show list them and their steps', async () => {
    await run('provision', ...s3('listed', '--env', 'listed'));
    const { stdout } = await run('jobs', 'ls', '--env', 'listed');
    expect(stdout).toMatch(/succeeded {2}provision {2}aws:us-east-1:s3:listed/);
    const [{ requestId }] = (await json('jobs', 'ls', '--env', 'listed')).jobs;
    expect((await run('jobs', 'show', requestId)).stdout).toMatch(/\n {2}create-bucket +succeeded/);
    expect((await run('jobs', 'watch', requestId)).code).toBe(EXIT.ok);
    expect((await run('jobs', 'show', 'nobody')).code).toBe(EXIT.notFound);
    expect((await run('jobs', 'ls', '--limit', '0')).code).toBe(EXIT.usage);
    expect((await run('jobs', 'ls', '--status', 'done')).stderr).toContain('must be one of');
  });

  test('approve, reject and cancel decide on what waits', async () => {
    const held = async (name: string): Promise<string> =>
      (await json('provision', ...s3(name, '--approval'))).requestId;
    const [yes, no, off] = [await held('held-a'), await held('held-b'), await held('held-c')];
    const approved = await run('jobs', 'approve', yes, '--comment', 'fine');
    expect([approved.code, approved.stdout]).toEqual([EXIT.ok, expect.stringMatching(/^succeeded /)]);
    expect((await json('jobs', 'show', yes)).approval).toMatchObject({ decision: 'approved', comment: 'fine' });
    expect((await run('jobs', 'reject', no)).stdout).toMatch(/^cancelled .*\n {2}reason {2}rejected/);
    expect((await run('jobs', 'cancel', off)).stdout).toMatch(/^cancelled .*\n {2}reason {2}cancelled/);
    expect((await run('jobs', 'approve', off)).stderr).toContain('error JOB_STATE');
  });

  test('rollback undoes what was made, and tells of the undoing alone', async () => {
    const { requestId } = await json('provision', ...s3('undone'));
    const { code, stdout, stderr } = await run('jobs', 'rollback', requestId);
    expect([code, stdout]).toEqual([EXIT.ok, expect.stringMatching(/^rolled_back .*\n {2}reason {2}requested/)]);
    expect(stderr).toContain('undoing');
    expect(stderr).not.toContain('create-bucket');
  });

  test('what failed ends with 1, with its error and how it is tried again', async () => {
    const requestId = await failed();
    const { code, stdout } = await run('jobs', 'watch', requestId);
    expect(code).toBe(EXIT.failed);
    expect(stdout).toMatch(/^rolled_back provision aws:-:vpc-with-instance[^\n]*\n {2}CLOUD_REFUSED {2}aws answered /);
  });

  test('a job that takes longer than is waited for goes on, and it is said how to see it', async () => {
    const { requestId } = await json('provision', ...s3('slow', '--approval'));
    const { code, stderr } = await run('jobs', 'watch', requestId, '--timeout', '0.05');
    expect(code).toBe(EXIT.timeout);
    expect(stderr).toContain(`error REQUEST_TIMEOUT  Job ${requestId} has not ended within 0.05 s. It goes on.`);
    expect(stderr).toContain(`next: zeroplane jobs watch ${requestId}`);
  });
});

test('a job is followed across a restart of the instance', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'cli-restart-'));
  const before = await startGateway({ dataDir });
  const at = (...words: string[]): Promise<TestRun> =>
    runForTest([...words, '--data-dir', dataDir, '--output', 'json'], { cwd });
  const { requestId } = JSON.parse((await at('provision', ...s3('restarted', '--approval'))).stdout);
  let watching: Promise<TestRun> | undefined;
  await new Promise<void>((resolve) => {
    const words = ['jobs', 'watch', requestId, '--data-dir', dataDir, '--output', 'stream-json'];
    watching = runForTest(words, { cwd, onWrite: () => resolve() });
  });
  await before.close({ drainMs: 0 });
  const after = await startGateway({ dataDir, port: Number(new URL(before.url).port) });
  try {
    expect((await at('jobs', 'approve', requestId)).code).toBe(EXIT.ok);
    const { code, stdout = '' } = (await watching) ?? {};
    const lines = stdout
      .trim()
      .split('\n')
      .map((line): Parsed => JSON.parse(line));
    const ids = lines.slice(0, -1).map(({ id }) => id);
    expect([code, lines.at(-1).value.status]).toEqual([EXIT.ok, 'succeeded']);
    expect(ids).toEqual(ids.map((_id, index) => index + 1));
  } finally {
    await after.close({ drainMs: 0 });
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('resources and catalog show one of them in full', async () => {
  await run('provision', ...s3('shown'));
  const { stdout } = await run('resources', 'show', 'aws:us-east-1:s3:shown');
  expect(stdout).toMatch(/^aws:us-east-1:s3:shown {2}ready\n {2}env +dev\n {2}owner +you@dev\n/);
  expect(stdout).toMatch(/\nTags\n(?:.*\n)* {2}managed-by +zeroplane/);
  expect((await run('resources', 'ls', '--service', 's3')).stdout).toContain('aws:us-east-1:s3:shown');
  const shown = (await run('catalog', 'show', 'aws', 's3')).stdout;
  expect(shown).toMatch(/\n {2}bucketName +string +required +Name of the bucket/);
  expect(shown.endsWith('  zeroplane provision --cloud aws --service s3 --param bucketName=…\n')).toBe(true);
  const nested = (await run('catalog', 'show', 'aws', 'dynamodb')).stdout;
  expect(nested).toMatch(/\n {2}partitionKey +\{name: string, type\?: "S" \| "N" \| "B"\}\n/);
  expect((await run('catalog', 'ls')).stdout).toMatch(/azure +vnet +\[simulated\]/);
  const unknown = await run('catalog', 'show', 'aws', 's4');
  expect([unknown.code, unknown.stderr.includes('Did you mean "aws s3"?')]).toEqual([EXIT.notFound, true]);
});

test('a page that is not the last says how the next one is asked for', async () => {
  for (const name of ['paged-a', 'paged-b']) await run('provision', ...s3(name, '--env', 'paged'));
  for (const noun of ['jobs', 'resources']) {
    const first = (await run(noun, 'ls', '--env', 'paged', '--limit', '1')).stdout;
    const [, cursor = ''] = /There are more: the same with --cursor '([^']+)'\n$/.exec(first) ?? [];
    const rest = await run(noun, 'ls', '--env', 'paged', '--cursor', cursor);
    expect(rest.stdout).toMatch(/paged-[ab]/);
    expect(rest.stdout).not.toContain('There are more');
  }
  expect((await run('audit', 'ls', '--limit', '1')).stdout).toContain('There are more');
});

test('audit lists what was done, and says that nobody touched it', async () => {
  await run('provision', ...s3('audited'));
  expect((await run('audit', 'ls', '--limit', '20')).stdout).toMatch(
    /job-accepted +job \S+ +you@dev +provision aws:us-east-1:s3:audited/,
  );
  expect((await run('audit', 'ls', '--limit', '5')).stdout).toMatch(/job-[a-z-]+ +job [0-9a-f-]{36} +\S+/);
  const { code, stdout } = await run('audit', 'verify');
  expect([code, stdout]).toEqual([EXIT.ok, expect.stringMatching(/^intact \d+ records in \d+ chain/)]);
});

test('a head that was kept is held against the trail', async () => {
  await run('provision', ...s3('headed'));
  const head = (await run('audit', 'head')).stdout.trim();
  expect(head).toMatch(/^\d{4}-\d\d-\d\d#[0-9a-f-]{36}:\d+:[0-9a-f]{64}$/);
  await run('provision', ...s3('headed-again'));
  expect((await run('audit', 'verify', '--head', head)).code).toBe(EXIT.ok);
  const other = head.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
  const lost = await run('audit', 'verify', '--head', other);
  expect([lost.code, lost.stdout]).toEqual([EXIT.failed, expect.stringContaining('the head that you kept')]);
  const nonsense = await run('audit', 'verify', '--head', 'nonsense');
  expect([nonsense.code, nonsense.stderr.includes('zeroplane audit head')]).toEqual([EXIT.usage, true]);
});

describe('workflows', () => {
  const machine = (states: object, start: string): string => JSON.stringify({ StartAt: start, States: states });

  test('register, start, history and ls', async () => {
    const definition = machine({ Say: { Type: 'Pass', Result: { said: 'hello' }, End: true } }, 'Say');
    await writeFile(join(cwd, 'hello.asl.json'), definition);
    expect((await run('workflows', 'register', 'hello', 'hello.asl.json')).stdout).toBe('registered hello version 1\n');
    const { code, stdout, stderr } = await run('workflows', 'start', 'hello', '--name', 'once', '--input', '{"a":1}');
    expect([code, stdout]).toEqual([EXIT.ok, 'SUCCEEDED hello:once\n  {"said":"hello"}\n']);
    expect(stderr).toMatch(/ExecutionStarted\n.* {2}PassStateEntered {2}Say\n/);
    expect((await json('workflows', 'show', 'hello:once')).input).toEqual({ a: 1 });
    expect((await run('workflows', 'history', 'hello:once')).stdout.trim().split('\n').length).toBe(4);
    expect((await run('workflows', 'ls')).stdout).toMatch(/hello {2,}version 1/);
    expect((await run('workflows', 'ls', '--executions')).stdout).toContain('hello:once');
    const ofOne = ['workflows', 'ls', '--executions', '--workflow', 'hello', '--status'];
    expect((await run(...ofOne, 'SUCCEEDED')).stdout).toMatch(/^hello:once +SUCCEEDED .*\n1 execution\n$/);
    expect((await run(...ofOne, 'FAILED')).stdout).toBe('No executions like that.\n');
    expect((await run('workflows', 'ls', '--status', 'FAILED')).code).toBe(EXIT.usage);
    expect((await run('workflows', 'show', 'hello:nobody')).code).toBe(EXIT.notFound);
  });

  test('a definition that cannot run is refused with 2', async () => {
    const bad = machine({ A: { Type: 'Pass', Next: 'Nowhere' } }, 'A');
    const { code, stderr } = await runWith({ stdin: bad }, 'workflows', 'register', 'bad', '-');
    expect([code, stderr.includes('error WORKFLOW_INVALID')]).toEqual([EXIT.usage, true]);
  });

  test('what fails ends with 1 and can be redriven, what runs can be stopped', async () => {
    const failing = machine({ No: { Type: 'Fail', Error: 'Nope', Cause: 'it is said so' } }, 'No');
    await runWith({ stdin: failing }, 'workflows', 'register', 'failing', '-');
    const { code, stdout } = await run('workflows', 'start', 'failing', '--name', 'one');
    expect([code, stdout]).toEqual([
      EXIT.failed,
      expect.stringMatching(/^FAILED failing:one\n {2}Nope {2}it is said so\n/),
    ]);
    expect((await run('workflows', 'redrive', 'failing:one')).code).toBe(EXIT.ok);
    const waiting = machine({ Wait: { Type: 'Wait', Seconds: 3_600, End: true } }, 'Wait');
    await runWith({ stdin: waiting }, 'workflows', 'register', 'waiting', '-');
    expect((await run('workflows', 'start', 'waiting', '--name', 'one', '--detach')).stdout).toBe(
      'RUNNING waiting:one\n',
    );
    expect((await run('workflows', 'stop', 'waiting:one')).stdout).toMatch(/^ABORTED waiting:one\n/);
    expect((await run('workflows', 'watch', 'waiting:one')).code).toBe(EXIT.failed);
  });

  test.each([
    [['send', 'applause', 'token'], 'success, failure or heartbeat'],
    [['start', 'hello', '--input', '{'], '--input is not valid JSON'],
  ])('%j is refused with how it is typed', async (words, said) => {
    const { code, stderr } = await run('workflows', ...words);
    expect([code, stderr.includes(said)]).toEqual([EXIT.usage, true]);
  });

  test('watch asks for what is behind the last event that it has seen, page by page', async () => {
    const asked: string[] = [];
    const event = (id: number): object => ({ id, type: `Event${id}`, timestamp: '2026-01-01T00:00:00.000Z' });
    const pages: Readonly<Record<string, object>> = {
      '?limit=1000&after=0': { events: [event(1), event(2)], next: 'f3' },
      '?limit=1000&after=0&cursor=f3': { events: [event(3)], next: null },
      '?limit=1000&after=3': { events: [], next: null },
      '?limit=1000&after=4': { events: [event(5)], next: null },
    };
    // The second look finds nothing new, the third one event, the fourth the end.
    let looks = 0;
    const server = createServer((request, response) => {
      const [path = '', query = ''] = (request.url ?? '').split(/(?=\?)/);
      const isHistory = path.endsWith('/history');
      if (isHistory) asked.push(query);
      else looks += 1;
      const latest = looks === 3 && query === '?limit=1000&after=3' ? { events: [event(4)], next: null } : pages[query];
      const execution = { id: 'f:x', status: looks < 4 ? 'RUNNING' : 'SUCCEEDED', output: null };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(isHistory ? latest : execution));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const folder = await mkdtemp(join(tmpdir(), 'cli-watch-'));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await writeFile(join(folder, 'instance.json'), JSON.stringify({ pid: process.pid, url, token: 't' }));
    const words = ['workflows', 'watch', 'f:x', '--data-dir', folder];
    const { code, stdout, stderr } = await runForTest(words, { cwd: folder });
    server.close();
    await rm(folder, { recursive: true });
    expect([code, stdout]).toEqual([EXIT.ok, 'SUCCEEDED f:x\n  null\n']);
    expect(stderr.match(/Event\d/g)).toEqual(['Event1', 'Event2', 'Event3', 'Event4', 'Event5']);
    expect(asked).toEqual([
      '?limit=1000&after=0',
      '?limit=1000&after=0&cursor=f3',
      '?limit=1000&after=3',
      '?limit=1000&after=3',
      '?limit=1000&after=4',
    ]);
  });

  test('a token that nobody waits with is refused', async () => {
    const { code, stderr } = await run('workflows', 'send', 'success', 'no-token', '--result', '{}');
    expect([code, stderr.includes('TASK_TOKEN_INVALID')]).toEqual([EXIT.failed, true]);
  });
});

test('without an instance every verb says how one is started', async () => {
  const away = ['--data-dir', join(cwd, 'nowhere')];
  for (const words of [
    ['jobs', 'ls'],
    ['resources', 'ls'],
    ['catalog', 'ls'],
    ['audit', 'verify'],
    ['workflows', 'ls'],
  ]) {
    const { code, stderr } = await runForTest([...words, ...away], { cwd });
    expect([words, code, stderr.includes('next: zeroplane dev')]).toEqual([words, EXIT.unreachable, true]);
  }
});
