import { describe, expect, test } from 'vitest';
import type { Place } from './slots.ts';
import { Slots } from './slots.ts';

interface Opened {
  readonly slots: Slots;
  /** Ids in the order of their starts. */
  readonly started: readonly string[];
  /** Ends what runs, or one of it. */
  readonly end: (id: string) => Promise<void>;
  readonly rooms: () => number;
}

function opened(maxActive: number): Opened {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  let rooms = 0;
  const work = (place: Place): Promise<void> => {
    started.push(place.id);
    return new Promise((resolve) => ends.set(place.id, resolve));
  };
  const slots = new Slots({ maxActive, work, onRoom: () => void (rooms += 1) });
  const end = async (id: string): Promise<void> => {
    ends.get(id)?.();
    ends.delete(id);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { slots, started, end, rooms: () => rooms };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function fill({ slots }: Opened, tenant: string, count: number): boolean[] {
  return Array.from({ length: count }, (_unused, at) => slots.add({ tenant, id: `${tenant}${at}` }, 'never'));
}

const countsOf = ({ started }: Opened): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const id of started) counts[id.charAt(0)] = (counts[id.charAt(0)] ?? 0) + 1;
  return counts;
};

describe('slots', () => {
  test.each([1, 2, 3, 7, 100])('a tenant alone has all %i', async (most) => {
    const at = opened(most);
    fill(at, 'a', most + 50);
    await settled();
    expect(countsOf(at)).toEqual({ a: most });
  });

  test('who comes next finds room, though nothing of the others ends', async () => {
    const at = opened(100);
    for (const tenant of ['a', 'b', 'c', 'd']) fill(at, tenant, 500);
    await settled();
    expect(countsOf(at)).toEqual({ a: 100, b: 25, c: 6, d: 2 });
  });

  test('what ends makes room for the tenant that has the least, and never for all of it', async () => {
    const at = opened(4);
    fill(at, 'a', 10);
    fill(at, 'b', 10);
    await settled();
    expect(countsOf(at)).toEqual({ a: 4, b: 1 });
    for (const id of ['a0', 'a1', 'a2']) await at.end(id);
    expect(at.started.slice(5)).toEqual(['b1', 'a4', 'a5']);
  });

  test('come in the order of arrival within a tenant, and what came again runs again', async () => {
    const at = opened(1);
    fill(at, 'a', 3);
    await settled();
    at.slots.add({ tenant: 'a', id: 'a0' }, 'again');
    for (const id of ['a0', 'a1', 'a2']) await at.end(id);
    expect(at.started).toEqual(['a0', 'a1', 'a2', 'a0']);
  });
});

describe('the queue', () => {
  test('of one tenant does not fill it for others, and tells when there is room', async () => {
    const at = opened(1);
    const first = fill(at, 'a', 3000);
    expect(first.indexOf(false)).toBe(1501);
    expect(fill(at, 'b', 10)).not.toContain(false);
    await settled();
    expect(countsOf(at)).toEqual({ a: 1, b: 1 });
    expect(at.rooms()).toBe(0);
    for (let n = 0; n < 1100; n += 1) await at.end(`a${n}`);
    expect(at.rooms()).toBe(1);
  });

  test('takes nothing after the end, which waits for what runs', async () => {
    const at = opened(2);
    fill(at, 'a', 5);
    await settled();
    let isClosed = false;
    const closing = at.slots.close().then(() => (isClosed = true));
    await at.end('a0');
    expect(isClosed).toBe(false);
    await at.end('a1');
    await closing;
    expect(at.started).toEqual(['a0', 'a1']);
  });
});
