/** Which events of a history a redrive tells again: those of the states that had not ended, and no others. */

import { belongsToVisit } from './operation-name.ts';

/** A key as state machines make them: `path#visit/attempt/Type`, with the index of an iteration behind it. */
const KEY = /^([^#]*#[\d.]+)\/(\d+)\/([A-Za-z]+)(?:\/(\d+))?$/;

interface Told {
  readonly key: string;
  readonly attempt: number;
  readonly type: string;
  /** Of an iteration. */
  readonly index?: string | undefined;
}

/**
 * Keys that are free again after a redrive.
 *
 * The state that failed is entered again, and so is what ran beside it and was broken off. A Parallel or Map around it
 * goes on: it tells of its end anew, and of the iterations that failed or were broken off. What had failed beside it for
 * itself stays as it is.
 *
 * @param failedPath - See `WorkflowFailure`; empty when no state failed, for what was stopped or ran out of time.
 */
export function toldAgain(keys: Iterable<string>, failedPath: string): readonly string[] {
  const visits = visitsOf(keys);
  return [...visits].flatMap(([visit, told]) => {
    if (visit === failedPath || isBrokenOff(told)) return again(visit, told, failedPath);
    return isOpenGroup(told) ? endsOf(visit, told, failedPath) : [];
  });
}

function visitsOf(keys: Iterable<string>): ReadonlyMap<string, readonly Told[]> {
  const visits = new Map<string, Told[]>();
  for (const key of keys) {
    const [, visit, attempt = '', type = '', index] = KEY.exec(key) ?? [];
    if (visit === undefined) continue;
    const told = visits.get(visit) ?? [];
    told.push({ key, attempt: Number(attempt), type, index });
    visits.set(visit, told);
  }
  return visits;
}

const isGroup = (told: readonly Told[]): boolean => told.some(({ type }) => /^(Parallel|Map)StateEntered$/.test(type));
const isOpen = (told: readonly Told[]): boolean => !told.some(({ type }) => type.endsWith('StateExited'));
const isOpenGroup = (told: readonly Told[]): boolean => isGroup(told) && isOpen(told);

/** Its last attempt neither came to an end nor failed. */
function isBrokenOff(told: readonly Told[]): boolean {
  if (isGroup(told) || !isOpen(told)) return false;
  const last = Math.max(...told.map(({ attempt }) => attempt));
  return !told.some(({ attempt, type }) => attempt === last && /(Failed|TimedOut)$/.test(type));
}

/** All that was told of a visit but for iterations that need not be made again. */
function again(visit: string, told: readonly Told[], failedPath: string): string[] {
  const ends = new Set(endsOf(visit, told, failedPath));
  return told.filter(({ key, index }) => index === undefined || ends.has(key)).map(({ key }) => key);
}

/** How a Parallel or Map ended, and the iterations that are made again. */
function endsOf(visit: string, told: readonly Told[], failedPath: string): string[] {
  const path = visit.slice(0, visit.lastIndexOf('#'));
  const brokenOff = told.filter(({ type }) => type === 'MapIterationAborted').map(({ index }) => index);
  const isMadeAgain = (index: string): boolean =>
    brokenOff.includes(index) || failedPath.startsWith(`${path}[${index}]/`);
  return told
    .filter(({ type, index }) => (index === undefined ? type.endsWith('StateFailed') : isMadeAgain(index)))
    .map(({ key }) => key);
}

/** Those of {@link toldAgain}, and whatever else belongs to the visit that failed. */
export function forgetTold(ids: Map<string, unknown>, failedPath: string): void {
  for (const key of toldAgain(ids.keys(), failedPath)) ids.delete(key);
  if (failedPath === '') return;
  for (const key of ids.keys()) if (!KEY.test(key) && belongsToVisit(key, failedPath)) ids.delete(key);
}
