import { expect, test } from 'vitest';
import type { Principal } from '../core/context.ts';
import { Places } from './places.ts';

const person = (id: string, tenant = 't'): Principal => ({ id, tenant, roles: [], scopes: [] });

test('a caller gets as many places as it may have, and one again when one is left', () => {
  const places = new Places({ inFlight: 10, inFlightPerPrincipal: 2 });
  const [first, second, third] = [places.of(person('a')), places.of(person('a')), places.of(person('a'))];
  first.take();
  second.take();
  expect(() => third.take()).toThrow(/2 requests in flight/);
  first.leave();
  first.leave();
  expect(places.inFlight).toBe(1);
  third.take();
  expect(places.inFlight).toBe(2);
});

test('callers of the same id in two tenants do not share their places', () => {
  const places = new Places({ inFlight: 10, inFlightPerPrincipal: 1 });
  places.of(person('a', 'x')).take();
  expect(() => places.of(person('a', 'y')).take()).not.toThrow();
});

test('all callers together have a limit, and a gateway that is ending takes nobody', () => {
  const places = new Places({ inFlight: 1, inFlightPerPrincipal: 5 });
  const place = places.of(person('a'));
  place.take();
  expect(() => places.of(person('b')).take()).toThrow(/as many requests/);
  place.leave();
  places.drain();
  expect(() => place.take()).toThrow(/shutting down/);
});

test('thousands of callers who came once are forgotten, those under way are not', () => {
  const places = new Places({ inFlight: 10_000, inFlightPerPrincipal: 1 });
  places.of(person('busy')).take();
  for (let i = 0; i < 5_000; i++) {
    const place = places.of(person(`p${i}`));
    place.take();
    place.leave();
  }
  expect(() => places.of(person('busy')).take()).toThrow(/in flight/);
  expect(places.inFlight).toBe(1);
});
