/** A state machine that has passed every check, in the form in which the interpreter reads it. */

import type { JsonValue } from '../../core/ports.ts';

export type StateType = 'Pass' | 'Task' | 'Choice' | 'Wait' | 'Parallel' | 'Map' | 'Succeed' | 'Fail';
export type QueryLanguage = 'JSONPath' | 'JSONata';

/** The members of a state as its definition has them; checks have made sure of their types. */
export type StateFields = { readonly [field: string]: JsonValue | undefined };

export interface State {
  readonly name: string;
  readonly type: StateType;
  readonly language: QueryLanguage;
  readonly fields: StateFields;
  /** Of a Parallel. */
  readonly branches: readonly StateGroup[];
  /** Of a Map. */
  readonly processor: StateGroup | undefined;
  readonly retriers: readonly Retrier[];
  readonly catchers: readonly Catcher[];
  /** A field can see when the state was entered, so that time must be recorded. */
  readonly seesEnteredTime: boolean;
}

/** States that transit among themselves only: a machine, a branch, or the processor of a Map. */
export interface StateGroup {
  readonly startAt: string;
  readonly states: ReadonlyMap<string, State>;
}

export interface Retrier {
  readonly errorEquals: readonly string[];
  readonly intervalSeconds: number;
  readonly maxAttempts: number;
  readonly backoffRate: number;
  readonly maxDelaySeconds: number;
  readonly hasJitter: boolean;
}

export interface Catcher {
  readonly errorEquals: readonly string[];
  readonly next: string;
  readonly fields: StateFields;
}

export interface Machine extends StateGroup {
  /** How long an execution may take; the engine enforces it. */
  readonly timeoutSeconds: number | undefined;
  readonly comment: string | undefined;
  /** As it was given. */
  readonly definition: JsonValue;
}
