/** Which events of a history a redrive tells again: those of the states that had not ended, and no others. */

import { belongsToVisit } from './operation-name.ts';

/** A key as state machines make them: `path#visit/attempt/Type`, with the index of an iteration behind it. */
const KEY = /^([^#]*#[\d.]+)\/\d+\/([A-Za-z]+)(?:\/(\d+))?$/;

interface Told {
  readonly key: string;
  readonly type: string;
  /** Of an iteration. */
  readonly index?: string | undefined;
}

/**
 * Keys that are free again after a redrive.
 *
 * The state that failed is entered again, and so is what failed or was broken off beside it. A Parallel or Map around
 * them goes on: it tells of its end anew, and of the iterations that failed or were broken off.
 *
 * @param failedPath - See `WorkflowFailure`; empty when no state failed, for what was stopped or ran out of time.
 */
export function toldAgain(keys: Iterable<string>, failedPath: string): readonly string[] {
  const visits = visitsOf(keys);
  return [...visits].flatMap(([visit, told]) => {
    if (visit === failedPath || isOpenState(told)) return again(told);
    return isGroup(told) && isOpen(told) ? endsOf(told) : [];
  });
}

function visitsOf(keys: Iterable<string>): ReadonlyMap<string, readonly Told[]> {
  const visits = new Map<string, Told[]>();
  for (const key of keys) {
    const [, visit, type = '', index] = KEY.exec(key) ?? [];
    if (visit === undefined) continue;
    const told = visits.get(visit) ?? [];
    told.push({ key, type, index });
    visits.set(visit, told);
  }
  return visits;
}

const isGroup = (told: readonly Told[]): boolean => told.some(({ type }) => /^(Parallel|Map)StateEntered$/.test(type));
const isOpen = (told: readonly Told[]): boolean => !told.some(({ type }) => type.endsWith('StateExited'));
const isOpenState = (told: readonly Told[]): boolean => !isGroup(told) && isOpen(told);

/** Visits of states that were entered and not left, but for a Parallel or Map. */
export function openVisits(keys: Iterable<string>): readonly string[] {
  return [...visitsOf(keys)].filter(([, told]) => isOpenState(told)).map(([visit]) => visit);
}

/** All that was told of a visit but for iterations that need not be made again. */
function again(told: readonly Told[]): string[] {
  const ends = new Set(endsOf(told));
  return told.filter(({ key, index }) => index === undefined || ends.has(key)).map(({ key }) => key);
}

/** How a Parallel or Map ended, and the iterations that are made again. */
function endsOf(told: readonly Told[]): string[] {
  const inVain = new Set(
    told.filter(({ type }) => /^MapIteration(Failed|Aborted)$/.test(type)).map(({ index }) => index),
  );
  return told
    .filter(({ type, index }) => (index === undefined ? type.endsWith('StateFailed') : inVain.has(index)))
    .map(({ key }) => key);
}

/** Those of {@link toldAgain}, and whatever else belongs to the visit that failed. */
export function forgetTold(ids: Map<string, unknown>, failedPath: string): void {
  for (const key of toldAgain(ids.keys(), failedPath)) ids.delete(key);
  if (failedPath === '') return;
  for (const key of ids.keys()) if (!KEY.test(key) && belongsToVisit(key, failedPath)) ids.delete(key);
}
