/** What every adapter's `Queue` must do. */

import { describe, expect, test } from 'vitest';
import type { CreateStore } from './harness.ts';
import { failure, withStore } from './harness.ts';

const LEASE = { max: 10, visibilityMs: 30_000 };

export function queueContract(label: string, create: CreateStore): void {
  describe(`Queue of ${label}`, () => {
    deliveryTests(create);
    leaseTests(create);
    deadLetterTests(create);
    dedupeTests(create);
  });
}

function deliveryTests(create: CreateStore): void {
  test('a message is delivered with its body and gone once acknowledged', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs');
      const id = await queue.send({ job: 1, text: 'Zoë \u0000' });
      const [message] = await queue.receive(LEASE);
      expect(message).toMatchObject({ id, body: { job: 1, text: 'Zoë \u0000' }, receives: 1 });
      expect(await queue.ack(message?.receipt ?? '')).toBe(true);
      harness.advance(3_600_000);
      expect(await queue.receive(LEASE)).toEqual([]);
    }));

  test('every message of many is delivered once within its visibility', () =>
    withStore(create, async (_, store) => {
      const queue = store.queue('jobs');
      const ids = await Promise.all(Array.from({ length: 25 }, (_unused, n) => queue.send(n)));
      const batches = await Promise.all([1, 2, 3, 4].map(() => queue.receive(LEASE)));
      const received = batches.flat().map((message) => message.id);
      expect(received.toSorted()).toEqual(ids.toSorted());
      expect(batches.every((batch) => batch.length <= 10)).toBe(true);
    }));

  test('a delayed message waits for its time', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs');
      await queue.send('later', { delayMs: 5000 });
      expect(await queue.receive(LEASE)).toEqual([]);
      harness.advance(4999);
      expect(await queue.receive(LEASE)).toEqual([]);
      harness.advance(1);
      expect(await queue.receive(LEASE)).toMatchObject([{ body: 'later' }]);
    }));

  test('queues do not mix', () =>
    withStore(create, async (_, store) => {
      await store.queue('a').send(1);
      expect(await store.queue('b').receive(LEASE)).toEqual([]);
    }));

  test.each([
    ['no place', { max: 0, visibilityMs: 1000 }],
    ['a negative visibility', { max: 1, visibilityMs: -1 }],
    ['an endless visibility', { max: 1, visibilityMs: Number.POSITIVE_INFINITY }],
  ])('a receive with %s is refused', (_title, options) =>
    withStore(create, async (_, store) => {
      await failure(store.queue('jobs').receive(options), 'INVALID_ARGUMENTS');
    }),
  );
}

function leaseTests(create: CreateStore): void {
  test('a message whose visibility ends is delivered again, and the old receipt is worth nothing', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs');
      await queue.send('x');
      const [first] = await queue.receive(LEASE);
      harness.advance(30_000);
      const [second] = await queue.receive(LEASE);
      expect(second).toMatchObject({ id: first?.id, receives: 2 });
      expect(second?.receipt).not.toBe(first?.receipt);
      const stale = first?.receipt ?? '';
      expect(await queue.ack(stale)).toBe(false);
      expect(await queue.extend(stale, 1000)).toBe(false);
      expect(await queue.release(stale, { reason: 'late' })).toBe(false);
      expect(await queue.ack(second?.receipt ?? '')).toBe(true);
      expect(await queue.ack(second?.receipt ?? '')).toBe(false);
    }));

  test('extending keeps a message away for longer', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs');
      await queue.send('x');
      const [message] = await queue.receive(LEASE);
      harness.advance(29_000);
      expect(await queue.extend(message?.receipt ?? '', 30_000)).toBe(true);
      harness.advance(29_999);
      expect(await queue.receive(LEASE)).toEqual([]);
      harness.advance(1);
      expect(await queue.receive(LEASE)).toHaveLength(1);
    }));

  test('a released message comes back at once or after its delay', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs');
      await queue.send('x');
      const [first] = await queue.receive(LEASE);
      expect(await queue.release(first?.receipt ?? '', { reason: 'busy' })).toBe(true);
      const [second] = await queue.receive(LEASE);
      expect(second?.receives).toBe(2);
      await queue.release(second?.receipt ?? '', { reason: 'busy', delayMs: 1000 });
      expect(await queue.receive(LEASE)).toEqual([]);
      harness.advance(1000);
      expect(await queue.receive(LEASE)).toHaveLength(1);
    }));

  test('a receipt is good for its own queue only', () =>
    withStore(create, async (_, store) => {
      await store.queue('a').send('x');
      const [message] = await store.queue('a').receive(LEASE);
      expect(await store.queue('b').ack(message?.receipt ?? '')).toBe(false);
      expect(await store.queue('a').ack(message?.receipt ?? '')).toBe(true);
    }));
}

function deadLetterTests(create: CreateStore): void {
  test('after maxReceives releases a message is a dead letter with the last reason, and the others flow', () =>
    withStore(create, async (_, store) => {
      const queue = store.queue('jobs', { maxReceives: 3 });
      const id = await queue.send('poison');
      for (const reason of ['one', 'two', 'three']) {
        const [message] = await queue.receive(LEASE);
        await queue.release(message?.receipt ?? '', { reason });
      }
      await queue.send('good');
      expect(await queue.receive(LEASE)).toMatchObject([{ body: 'good' }]);
      const [letter] = await queue.deadLetters();
      expect(letter).toMatchObject({ id, body: 'poison', receives: 3, reason: 'three' });
      expect(letter?.failedAt).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/u);
    }));

  test('a message nobody answers for becomes a dead letter after maxReceives', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs', { maxReceives: 2 });
      await queue.send('x');
      for (let n = 0; n < 2; n += 1) {
        expect(await queue.receive(LEASE)).toHaveLength(1);
        harness.advance(30_000);
      }
      expect(await queue.receive(LEASE)).toEqual([]);
      const [letter] = await queue.deadLetters();
      expect(letter).toMatchObject({ body: 'x', receives: 2 });
      expect(letter?.reason).not.toBe('');
    }));

  test('by default a message is delivered five times', () =>
    withStore(create, async (_, store) => {
      const queue = store.queue('jobs');
      await queue.send('x');
      let deliveries = 0;
      for (;;) {
        const [message] = await queue.receive(LEASE);
        if (message === undefined) break;
        deliveries += 1;
        await queue.release(message.receipt, { reason: 'no' });
      }
      expect(deliveries).toBe(5);
    }));

  test('redriving delivers a dead letter once more, with a fresh count, behind the others', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs', { maxReceives: 1 });
      const id = await queue.send('x');
      const [message] = await queue.receive(LEASE);
      await queue.release(message?.receipt ?? '', { reason: 'no' });
      await queue.send('y');
      harness.advance(1);
      const results = await Promise.all([queue.redrive(id), queue.redrive(id)]);
      expect(results.toSorted()).toEqual([false, true]);
      expect(await queue.redrive('nothing')).toBe(false);
      expect(await queue.deadLetters()).toEqual([]);
      expect(await queue.receive(LEASE)).toMatchObject([{ body: 'y' }, { id, body: 'x', receives: 1 }]);
    }));
}

function dedupeTests(create: CreateStore): void {
  test('the same dedupeId is one message for five minutes, delivered or not', () =>
    withStore(create, async (harness, store) => {
      const queue = store.queue('jobs');
      const [first, second] = await Promise.all([queue.send(1, { dedupeId: 'd' }), queue.send(2, { dedupeId: 'd' })]);
      expect(second).toBe(first);
      const [message, ...others] = await queue.receive(LEASE);
      expect(others).toEqual([]);
      await queue.ack(message?.receipt ?? '');
      expect(await queue.send(3, { dedupeId: 'd' })).toBe(first);
      expect(await store.queue('other').send(4, { dedupeId: 'd' })).not.toBe(first);
      harness.advance(5 * 60_000 + 1);
      expect(await queue.send(5, { dedupeId: 'd' })).not.toBe(first);
    }));
}
