/**
 * The golden machines as another interpreter of the language can take them: functions by ARN, time in seconds that a
 * test can wait, and without those that hold what is our own.
 */

import type { JsonValue } from '../../src/core/ports.ts';
import type { Golden } from '../conformance/asl-golden/golden.ts';

export interface PeerMachine {
  readonly name: string;
  readonly group: string;
  readonly definition: JsonValue;
  readonly input: JsonValue;
  readonly functions: NonNullable<Golden['functions']>;
  /** Branches run beside each other: their events have no order among them. */
  readonly isBranching: boolean;
}

const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:';

/** Names of functions are told apart by the number of their machine, since all share one account. */
export const functionOf = (arn: string): string =>
  arn
    .replace(/^.*:function:/, '')
    .replace(/^m\d+-/, '')
    .replace(/:.*$/, '');

/**
 * Waits and limits of any length become a second, which the makers' backend skips and others sit through; how long a
 * retry waits is held by the golden machines themselves.
 */
const ONE_SECOND = new Set(['Seconds', 'IntervalSeconds', 'HeartbeatSeconds']);
const DROPPED = new Set(['MaxDelaySeconds', 'BackoffRate']);

function adapted(value: JsonValue, number: number): JsonValue {
  if (Array.isArray(value)) return value.map((each) => adapted(each, number));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !DROPPED.has(key) || !('ErrorEquals' in value));
  return Object.fromEntries(
    entries.map(([key, member]) => {
      if (ONE_SECOND.has(key) && typeof member === 'number') return [key, Math.min(member, 1)];
      if (key === 'TimeoutSeconds' && typeof member === 'number') return [key, member > 9 ? 9 : 2];
      if (key === 'Resource' && typeof member === 'string') return [key, resource(member, number)];
      if (key === 'FunctionName' && typeof member === 'string') return [key, `${ARN}m${number}-${member}`];
      return [key, adapted(member, number)];
    }),
  );
}

function resource(given: string, number: number): string {
  if (given.startsWith('arn:aws:states:')) return given;
  const name = given.replace(/^\$\{(.+)\}$/, '$1').replace(/^arn:.*:function:/, '');
  return `${ARN}m${number}-${name}`;
}

/**
 * @param goldens - by group; functions that keep count are made once per import, so each interpreter needs its own.
 * @param number - of the first machine.
 */
export function peerMachines(group: string, goldens: readonly Golden[], number: number): readonly PeerMachine[] {
  return goldens.map(({ name, machine, input = {}, functions = {} }, at) => {
    const text = JSON.stringify(machine);
    return {
      name,
      group,
      definition: adapted(machine, number + at),
      input: JSON.parse(JSON.stringify(input, (key, value: JsonValue) => (key === 'expiry' ? 1 : value))) as JsonValue,
      functions: Object.fromEntries(Object.entries(functions).map(([key, run]) => [functionOf(key), run])),
      isBranching: text.includes('"Parallel"') || text.includes('"Map"'),
    };
  });
}

/** What an interpreter made of a machine. */
export interface Ended {
  readonly status: string;
  readonly output?: JsonValue;
  readonly error?: string;
  readonly hasCause?: boolean;
  readonly events: readonly string[];
}
