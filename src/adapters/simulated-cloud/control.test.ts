import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../../tests/contract/fake-clock.ts';
import type { StoreRoot } from '../../core/ports.ts';
import { openMemoryStore } from '../embedded/store/store.ts';
import { answerControl, isControlPath } from './control.ts';
import type { ControlReply, SimulatedControl } from './control.ts';
import { FAULTS, Faults } from './faults.ts';
import { CLOUD_CONTENTS, SimulatedState } from './simulated-state.ts';

let store: StoreRoot;
let control: SimulatedControl;
let clock: FakeClock;

beforeEach(async () => {
  clock = fakeClock();
  store = await openMemoryStore({ clock });
  const state = new SimulatedState('aws', store.store('team-x').table(CLOUD_CONTENTS));
  control = { state, faults: new Faults(), clock, token: 'the token' };
});

afterEach(() => store.close());

function ask(route: string, body: unknown = '', authorization = 'Bearer the token'): Promise<ControlReply> {
  const [method = '', path = ''] = route.split(' ');
  const url = new URL(path, 'http://localhost/_zeroplane/');
  return answerControl(control, {
    method,
    path: url.pathname,
    query: url.searchParams,
    authorization,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  });
}

const bodyOf = (reply: ControlReply): unknown => JSON.parse(reply.body);

describe('the control routes of a simulated cloud', () => {
  test.each([[''], ['Bearer'], ['Bearer another'], ['Basic the token'], ['the token']])(
    'authorization "%s" is refused',
    async (authorization) => {
      expect((await ask('GET contents', '', authorization)).status).toBe(401);
    },
  );

  test('without a token nobody is let in', async () => {
    control = { ...control, token: '' };
    expect((await ask('GET contents', '', 'Bearer ')).status).toBe(401);
  });

  test('what the cloud holds is listed, all of it or by kind', async () => {
    await control.state.put('s3-bucket', 'assets', { region: 'us-east-1' });
    await control.state.put('sqs-queue', 'q', {});
    const reply = await ask('GET contents?kind=s3-bucket');
    expect(reply.headers['x-zeroplane-label']).toBe('simulated');
    expect(bodyOf(reply)).toEqual({
      cloud: 'aws',
      label: 'simulated',
      contents: [{ kind: 's3-bucket', id: 'assets', value: { region: 'us-east-1' } }],
      next: null,
    });
    expect(bodyOf(await ask('GET contents'))).toMatchObject({ contents: [{ id: 'assets' }, { id: 'q' }] });
    expect((await ask('GET contents?limit=0')).status).toBe(400);
  });

  test('what is deleted is not listed, although the cloud remembers it for a while', async () => {
    await control.state.put('sqs-queue', 'gone', { goneAtMs: clock.nowMs() });
    await control.state.put('sqs-queue', 'going', { goneAtMs: clock.nowMs() + 1_000 });
    await control.state.put('sqs-queue', 'stays', { goneAtMs: 0 });
    expect(bodyOf(await ask('GET contents'))).toMatchObject({ contents: [{ id: 'going' }, { id: 'stays' }] });
    clock.advance(1_000);
    expect(bodyOf(await ask('GET contents'))).toMatchObject({ contents: [{ id: 'stays' }] });
  });

  test('what is held elsewhere is listed after the rest, by its kind too', async () => {
    const held = [{ kind: 'lambda-function', id: 'greet', value: { runtime: 'nodejs22.x' } }];
    control = { ...control, alsoHeld: () => Promise.resolve(held) };
    await control.state.put('s3-bucket', 'assets', {});
    expect(bodyOf(await ask('GET contents'))).toMatchObject({ contents: [{ id: 'assets' }, { id: 'greet' }] });
    expect(bodyOf(await ask('GET contents?kind=lambda-function'))).toMatchObject({ contents: held });
    expect(bodyOf(await ask('GET contents?kind=s3-bucket'))).toMatchObject({ contents: [{ id: 'assets' }] });
  });

  test('faults are set, listed and taken back', async () => {
    const one = await ask('POST faults', { service: 's3', operation: 'CreateBucket', fault: 'throttle', times: 2 });
    expect(one.status).toBe(201);
    await ask('POST faults', [{ fault: 'drop' }, { fault: 'slow', delayMs: 5 }]);
    expect(bodyOf(await ask('GET faults'))).toEqual({
      faults: [
        { id: '1', service: 's3', operation: 'CreateBucket', fault: 'throttle', times: 2, delayMs: 0 },
        { id: '2', fault: 'drop', times: 1, delayMs: 0 },
        { id: '3', fault: 'slow', times: 1, delayMs: 5 },
      ],
      requests: [],
    });
    expect(bodyOf(await ask('DELETE faults?id=2'))).toEqual({ removed: 1 });
    expect(bodyOf(await ask('DELETE faults'))).toEqual({ removed: 2 });
    expect(control.faults.list()).toEqual([]);
  });

  test.each([
    ['no JSON', '{'],
    ['no object', 'null'],
    ['an unknown fault', { fault: 'earthquake' }],
    ['an unknown key', { fault: 'drop', count: 1 }],
    ['half a time', { fault: 'drop', times: 0.5 }],
    ['no time', { fault: 'drop', times: 0 }],
    ['a service that is no text', { fault: 'drop', service: 1 }],
    ['a delay of an hour', { fault: 'slow', delayMs: 3_600_000 }],
    ['a good one before a bad one', [{ fault: 'drop' }, {}]],
  ])('%s sets no fault', async (_title, body) => {
    expect((await ask('POST faults', body)).status).toBe(400);
    expect(control.faults.list()).toEqual([]);
  });

  test.each([['GET nothing'], ['PUT faults'], ['POST contents']])('%s is not found', async (route) => {
    expect((await ask(route)).status).toBe(404);
  });

  test('only paths of its own are control paths', () => {
    expect(['/_zeroplane/faults', '/', '/bucket/_zeroplane/faults'].map(isControlPath)).toEqual([true, false, false]);
  });
});

describe('fault rules', () => {
  const create = { service: 's3', operation: 'CreateBucket' };

  test('a rule meets as many requests as it says, and only those that fit', () => {
    const faults = new Faults();
    faults.add({ ...create, fault: 'throttle', times: 2 });
    faults.add({ fault: 'slow', delayMs: 7 });
    expect(faults.meet({ service: 's3', operation: 'HeadBucket' })).toEqual({ fault: 'slow', delayMs: 7 });
    expect([1, 2, 3].map(() => faults.meet(create)?.fault)).toEqual(['throttle', 'throttle', undefined]);
  });

  test('requests are counted by name', () => {
    const faults = new Faults();
    faults.meet(create);
    faults.meet(create);
    expect(faults.counts()).toEqual([{ ...create, requests: 2 }]);
  });

  test('there is an end to how many are kept', () => {
    const faults = new Faults();
    for (let n = 0; n < 1_000; n++) faults.add({ fault: FAULTS[0] });
    expect(() => faults.add({ fault: 'drop' })).toThrow('1000 faults');
  });
});
