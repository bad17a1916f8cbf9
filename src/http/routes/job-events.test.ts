/** Streams and held answers of jobs, with a plane that does what the test says. */

import { expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { Context } from '../../core/context.ts';
import { isStream, type GatewayRequest, type Reply, type Sink } from '../../gateway/reply.ts';
import type { ControlPlane, JobEvent } from '../../provisioning/control-plane.ts';
import type { Job, JobStatus } from '../../provisioning/job.ts';
import { jobRoutes } from './jobs.ts';
import { jsonRoutes } from './json-route.ts';

const clock = fakeClock();

const event = (id: number, type: JobEvent['type'] = 'step-ended'): JobEvent => ({
  id,
  type,
  at: '2026-11-25T00:00:00.000Z',
  data: { step: `s${id}` },
});

const job = (status: JobStatus): Job =>
  ({
    requestId: 'r-1',
    tenant: 'team-x',
    status,
    tags: {},
    principal: { id: 'ada' },
    plan: { steps: [], estimate: { monthlyUsd: 0, usage: [], pricesOf: '' } },
  }) as unknown as Job;

interface Script {
  readonly past: readonly JobEvent[];
  readonly status: () => JobStatus;
  /** Runs while the past is being read. */
  readonly meanwhile?: (tell: (event: JobEvent) => void) => void;
}

class Scripted {
  listener: ((event: JobEvent) => void) | undefined;
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  get plane(): ControlPlane {
    const { past, status, meanwhile } = this.#script;
    return {
      watch: (_id: string, _tenant: string, listener: (each: JobEvent) => void) => {
        this.listener = listener;
        return () => (this.listener = undefined);
      },
      events: (_id: string, after: number) => {
        meanwhile?.((each) => this.listener?.(each));
        return Promise.resolve(past.filter(({ id }) => id > after).slice(0, 500));
      },
      status: () => Promise.resolve({ job: job(status()), steps: [] }),
    } as unknown as ControlPlane;
  }
}

interface Opened {
  readonly written: () => string;
  readonly isEnded: () => boolean;
  readonly leave: () => void;
}

function opened(reply: Reply): Opened {
  let text = '';
  let isEnded = false;
  let leave = (): void => undefined;
  const sink: Sink = {
    write: (part) => void (text += part),
    end: () => void (isEnded = true),
    abort: () => void (isEnded = true),
    buffered: 0,
    onClose: (run) => void (leave = run),
  };
  if (!isStream(reply.body)) throw new Error(`no stream but ${String(reply.body)}`);
  reply.body.open(sink);
  return { written: () => text, isEnded: () => isEnded, leave: () => leave() };
}

const context = (): Context =>
  new Context({
    principal: { id: 'ada', tenant: 'team-x', roles: ['requester'], scopes: ['zeroplane:use'] },
    requestId: 'request-1',
    clock,
    timeoutMs: 60_000,
    log: silentLog,
  });

function requestOf(path: string, more: Partial<GatewayRequest> = {}): GatewayRequest {
  const [plain = '', query = ''] = path.split('?');
  return {
    method: 'GET',
    path: plain,
    query,
    headers: {},
    readBody: () => Promise.resolve(new TextEncoder().encode('{}')),
    onDisconnect: () => undefined,
    ...more,
  };
}

const follow = async (scripted: Scripted, query = ''): Promise<Opened> =>
  opened(await jsonRoutes(jobRoutes(scripted.plane, clock))(requestOf(`/v2/jobs/r-1/events${query}`), context()));

const idsIn = ({ written }: Opened): readonly number[] =>
  [...written().matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

test('what happens while the past is read is told after it, and nothing twice', async () => {
  const scripted = new Scripted({
    past: [event(1), event(2), event(3)],
    status: () => 'running',
    meanwhile: (tell) => [event(3), event(4)].forEach((each) => tell(each)),
  });
  const stream = await follow(scripted);
  expect(idsIn(stream)).toEqual([1, 2, 3, 4]);
  scripted.listener?.(event(5));
  expect(idsIn(stream)).toEqual([1, 2, 3, 4, 5]);
  expect(stream.written()).toContain(
    'id: 5\nevent: step-ended\ndata: {"id":5,"type":"step-ended","at":"2026-11-25T00:00:00.000Z","step":"s5"}\n\n',
  );
  expect(stream.isEnded()).toBe(false);
});

test('a long past is read page by page, from any event on', async () => {
  const past = Array.from({ length: 1_203 }, (_none, at) => event(at + 1));
  const scripted = new Scripted({ past, status: () => 'succeeded' });
  const stream = await follow(scripted, '?after=2');
  expect(idsIn(stream)).toEqual(past.slice(2).map(({ id }) => id));
  expect(stream.isEnded()).toBe(true);
});

test('the end of an earlier round ends no stream, that of the present one does', async () => {
  const past = [event(1), event(2, 'job-ended'), event(3, 'job-status-changed')];
  const scripted = new Scripted({ past, status: () => 'running' });
  const stream = await follow(scripted);
  expect([idsIn(stream), stream.isEnded()]).toEqual([[1, 2, 3], false]);
  scripted.listener?.(event(4, 'job-ended'));
  expect([idsIn(stream), stream.isEnded(), scripted.listener]).toEqual([[1, 2, 3, 4], true, undefined]);
});

test('a quiet stream is kept alive, and nobody is watched for who has gone', async () => {
  const scripted = new Scripted({ past: [], status: () => 'awaiting_approval' });
  const stream = await follow(scripted);
  clock.advance(15_000);
  expect(stream.written()).toBe(': keep-alive\n\n');
  stream.leave();
  expect(scripted.listener).toBeUndefined();
});

test('HEAD opens no stream', async () => {
  const scripted = new Scripted({ past: [], status: () => 'running' });
  const routes = jsonRoutes(jobRoutes(scripted.plane, clock));
  const reply = await routes(requestOf('/v2/jobs/r-1/events', { method: 'HEAD' }), context());
  expect([reply.status, reply.body, scripted.listener]).toEqual([200, '', undefined]);
  expect(reply.headers['content-type']).toBe('text/event-stream');
});

test('an answer is held no longer than its client is there', async () => {
  let leave = (): void => undefined;
  const plane = {
    submit: () => Promise.resolve({ job: job('queued'), isRepeat: false }),
    wait: (_id: string, _ms: number, { signal }: Context) =>
      new Promise<Job>((resolve) => signal.addEventListener('abort', () => resolve(job('running')))),
  } as unknown as ControlPlane;
  const headers = { 'content-type': 'application/json', prefer: 'wait=25' };
  const request = requestOf('/v1/provision', { method: 'POST', headers, onDisconnect: (run) => void (leave = run) });
  const answer = jsonRoutes(jobRoutes(plane, clock))(request, context());
  // Once it waits.
  await new Promise((resolve) => setImmediate(resolve));
  leave();
  expect((await answer).status).toBe(202);
});

test.each([
  ['wait=5', 5_000],
  ['respond-async, wait=10', 10_000],
  ['respond-async; foo="bar", WAIT = "7"', 7_000],
  ['wait=26', 25_000],
  ['wait=999999', 25_000],
])('Prefer: %s waits %d ms', async (prefer, ms) => {
  const waited: number[] = [];
  const plane = {
    submit: () => Promise.resolve({ job: job('queued'), isRepeat: false }),
    wait: (_id: string, timeoutMs: number) => {
      waited.push(timeoutMs);
      return Promise.resolve(job('succeeded'));
    },
  } as unknown as ControlPlane;
  const headers = { 'content-type': 'application/json', prefer };
  const reply = await jsonRoutes(jobRoutes(plane, clock))(
    requestOf('/v1/provision', { method: 'POST', headers }),
    context(),
  );
  expect([reply.status, waited, reply.headers['preference-applied']]).toEqual([200, [ms], `wait=${ms / 1_000}`]);
});

test.each(['', 'respond-async', 'wait', 'wait=', 'wait=-1', 'handling=lenient', 'await=5'])(
  'Prefer: %s waits for nothing',
  async (prefer) => {
    const plane = { submit: () => Promise.resolve({ job: job('queued'), isRepeat: false }) } as unknown as ControlPlane;
    const headers = { 'content-type': 'application/json', prefer };
    const reply = await jsonRoutes(jobRoutes(plane, clock))(
      requestOf('/v1/provision', { method: 'POST', headers }),
      context(),
    );
    expect([reply.status, reply.headers['preference-applied']]).toEqual([202, undefined]);
  },
);
