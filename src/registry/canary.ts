/**
 * A canary: some callers of a tool get another version of its function, the others keep the stable one. Who gets it
 * is the same on every call and in every instance; {@link CanarySwitch} decides until when.
 */

import { createHash } from 'node:crypto';

import { MAX_CALLER_LENGTH, MAX_CALLERS, meansCaller } from '../core/callers.ts';
import type { Principal } from '../core/context.ts';
import { isObject } from '../core/json.ts';
import { parseFunctionArn, withQualifier } from '../core/lambda-arn.ts';
import type { ProblemList } from './problem-list.ts';

export interface Rollback {
  /** Above this share of failed calls the canary is switched off; 100 never does. @default 20 */
  readonly errorPercent?: number | undefined;
  /** Calls before it is judged at all. @default 20 */
  readonly minCalls?: number | undefined;
}

export interface Canary {
  /** The version that is tried, or the alias that leads to it: exactly one of the two. */
  readonly version?: string | undefined;
  readonly alias?: string | undefined;
  /** Share of the other callers that get it, 0 to 100. @default 0 */
  readonly percent?: number | undefined;
  /** Callers that always get it, as `core/callers.ts` reads them. */
  readonly cohort?: readonly string[] | undefined;
  readonly rollback?: Rollback | undefined;
}

export const DEFAULT_ERROR_PERCENT = 20;
export const DEFAULT_MIN_CALLS = 20;
const MAX_MIN_CALLS = 1000;

/** Which function a tool leads to, and the one that is tried beside it. */
export interface Route {
  /** Function name or ARN, with the qualifier that the tool is pinned to. */
  readonly functionName: string;
  readonly canary?: CanaryRoute | undefined;
}

export interface CanaryRoute {
  /** Tenant whose tool it is, `*` for one that all share. */
  readonly owner: string;
  /** Stable and unique with its owner. */
  readonly id: string;
  readonly tool: string;
  /** Function name or ARN with the canary's qualifier. */
  readonly candidate: string;
  readonly settings: Canary;
  /** Another value is another canary, whatever became of the one before. */
  readonly generation: string;
}

/** What a registration or a configured function says about versions. */
export interface VersionChoice {
  readonly version?: string | undefined;
  readonly alias?: string | undefined;
  readonly canary?: Canary | undefined;
}

/** A function name or ARN, with the version or alias that is chosen. */
function pinned(reference: string, { version, alias }: VersionChoice): string {
  const pin = version ?? alias;
  return pin === undefined ? reference : withQualifier(reference, pin);
}

/** @param reference - Function name or ARN. */
export function routeOf(
  reference: string,
  choice: VersionChoice,
  identity: Pick<CanaryRoute, 'owner' | 'id' | 'tool' | 'generation'>,
): Route {
  const functionName = pinned(reference, choice);
  const { canary } = choice;
  const tried = canary?.version ?? canary?.alias;
  if (canary === undefined || tried === undefined) return { functionName };
  return { functionName, canary: { ...identity, candidate: withQualifier(reference, tried), settings: canary } };
}

/** A caller's place is fixed by who calls what, so a growing percentage only ever adds callers. */
export function isInCanary({ settings, tool }: CanaryRoute, principal: Principal): boolean {
  if (settings.cohort?.some((entry) => meansCaller(entry, principal)) === true) return true;
  const { percent = 0 } = settings;
  return percent > 0 && placeOf(principal, tool) < percent;
}

/** At least 0 and below 100. */
function placeOf({ tenant, id }: Principal, tool: string): number {
  const hash = createHash('sha256').update(`${tenant}\0${id}\0${tool}`).digest();
  return (hash.readUInt32BE(0) / 2 ** 32) * 100;
}

// ------------------------------------------------------------------------------------------- as it is sent

const VERSION = /^(?:\$LATEST|[1-9]\d{0,19})$/;
/** Lambda's own rule: a number is a version. */
const ALIAS = /^(?!\d+$)[A-Za-z0-9_-]{1,128}$/;

const CANARY_FIELDS = ['version', 'alias', 'percent', 'cohort', 'rollback'];
const ROLLBACK_FIELDS = ['errorPercent', 'minCalls'];

/** Checks the fields `version`, `alias` and `canary` of a registration. */
export function checkVersionChoice(body: Readonly<Record<string, unknown>>, problems: ProblemList): VersionChoice {
  const pin = checkPin(body, '', problems);
  const { lambdaArn } = body;
  const qualifier = typeof lambdaArn === 'string' ? parseFunctionArn(lambdaArn)?.qualifier : undefined;
  if (qualifier !== undefined && (pin.version ?? pin.alias ?? qualifier) !== qualifier)
    problems.add(pin.version === undefined ? 'alias' : 'version', `differs from "${qualifier}" in lambdaArn`);
  if (body['canary'] === undefined) return pin;
  if (body['type'] === 'resource') problems.add('canary', 'is for tools and prompts; a resource has one version');
  const canary = checkCanary(body['canary'], problems);
  if (canary === undefined) return pin;
  const tried = canary.version ?? canary.alias;
  if (tried !== undefined && tried === (pin.version ?? pin.alias ?? qualifier))
    problems.add('canary', `tries "${tried}", to which everybody is pinned already`);
  return { ...pin, canary };
}

function checkPin(
  body: Readonly<Record<string, unknown>>,
  path: string,
  problems: ProblemList,
): { readonly version?: string; readonly alias?: string } {
  const { version, alias } = body;
  if (version !== undefined && alias !== undefined) problems.add(`${path}alias`, 'cannot stand beside "version"');
  if (version !== undefined && !isMatch(VERSION, version))
    problems.add(`${path}version`, 'must be the number of a published version, as text, or "$LATEST"');
  if (alias !== undefined && !isMatch(ALIAS, alias))
    problems.add(`${path}alias`, 'must be 1 to 128 letters, digits, "_" or "-", and more than a number');
  return {
    ...(isMatch(VERSION, version) ? { version } : {}),
    ...(isMatch(ALIAS, alias) ? { alias } : {}),
  };
}

function isMatch(pattern: RegExp, value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value);
}

function checkCanary(value: unknown, problems: ProblemList): Canary | undefined {
  if (!isObject(value)) {
    problems.add('canary', 'must be an object');
    return undefined;
  }
  checkKnown(value, 'canary', CANARY_FIELDS, problems);
  const pin = checkPin(value, 'canary.', problems);
  if (value['version'] === undefined && value['alias'] === undefined)
    problems.add('canary', 'needs "version" or "alias": what is to be tried');
  const percent = checkNumber(value['percent'], 'canary.percent', { least: 0, most: 100 }, problems);
  const cohort = checkCohort(value['cohort'], problems);
  if ((percent ?? 0) === 0 && (cohort ?? []).length === 0)
    problems.add('canary', 'needs "percent" or "cohort": who is to try it');
  const rollback = checkRollback(value['rollback'], problems);
  return {
    ...pin,
    ...(percent === undefined ? {} : { percent }),
    ...(cohort === undefined ? {} : { cohort }),
    ...(rollback === undefined ? {} : { rollback }),
  };
}

function checkKnown(
  value: Readonly<Record<string, unknown>>,
  path: string,
  known: readonly string[],
  problems: ProblemList,
): void {
  for (const key of Object.keys(value))
    if (!known.includes(key)) problems.add(`${path}.${key}`, `is not known; known: ${known.join(', ')}`);
}

function checkNumber(
  value: unknown,
  path: string,
  bounds: { readonly least: number; readonly most: number; readonly isWhole?: boolean },
  problems: ProblemList,
): number | undefined {
  if (value === undefined) return undefined;
  const { least, most, isWhole = false } = bounds;
  const isGood = typeof value === 'number' && value >= least && value <= most && (!isWhole || Number.isInteger(value));
  if (isGood) return value;
  problems.add(path, `must be a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}`);
  return undefined;
}

function checkCohort(value: unknown, problems: ProblemList): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const isEntry = (each: unknown): each is string =>
    typeof each === 'string' && each !== '' && each.length <= MAX_CALLER_LENGTH;
  if (Array.isArray(value) && value.length <= MAX_CALLERS && value.every(isEntry)) return value;
  const what = `must be a list of at most ${MAX_CALLERS} principal ids or CLAIM=VALUE`;
  problems.add('canary.cohort', `${what}, each of 1 to ${MAX_CALLER_LENGTH} characters`);
  return undefined;
}

function checkRollback(value: unknown, problems: ProblemList): Rollback | undefined {
  if (value === undefined) return undefined;
  const path = 'canary.rollback';
  if (!isObject(value)) {
    problems.add(path, 'must be an object');
    return undefined;
  }
  checkKnown(value, path, ROLLBACK_FIELDS, problems);
  const errorPercent = checkNumber(value['errorPercent'], `${path}.errorPercent`, { least: 0, most: 100 }, problems);
  const calls = { least: 1, most: MAX_MIN_CALLS, isWhole: true };
  const minCalls = checkNumber(value['minCalls'], `${path}.minCalls`, calls, problems);
  return {
    ...(errorPercent === undefined ? {} : { errorPercent }),
    ...(minCalls === undefined ? {} : { minCalls }),
  };
}
