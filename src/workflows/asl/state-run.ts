/** One visit of a state: its input, its names, and what its fields may look at. */

import { randomUUID } from 'node:crypto';
import type { StepFunc } from '@aws/durable-execution-sdk-js';
import type { JsonValue } from '../../core/ports.ts';
import { dataOf, LARGEST } from './data.ts';
import type { PathSources } from './json-path-apply.ts';
import type { Lane } from './lane.ts';
import { Aborted } from './lane.ts';
import type { State } from './machine.ts';
import { operationName } from '../operation-name.ts';
import { fromDurable } from './durable-errors.ts';
import { STATES, StatesError } from './states-error.ts';
import { Work } from './work.ts';

/** Purpose of the operation that a lane pauses with. */
const PAUSE = 'pause';

/** Whether an operation of this name is a pause. */
export function isPause(name: string | undefined): boolean {
  return name?.endsWith(`/${PAUSE}`) === true;
}

/** Nobody but the interpreter repeats a step: its retriers do, each attempt a step of its own. */
const ONCE = { retryStrategy: () => ({ shouldRetry: false }) };

/** Sources of chance; whatever uses them runs inside a recorded step. */
export const CHANCE = { uuid: () => randomUUID(), random: () => Math.random() };

interface Names {
  readonly path: string;
  readonly prefix: string;
}

export class StateRun {
  readonly lane: Lane;
  readonly state: State;
  /** Raw input. */
  readonly input: JsonValue;
  /** `Net[3]/Create` */
  readonly path: string;
  /** `Net[3]/Create#1` */
  readonly prefix: string;
  /** From 1. */
  attempt = 1;
  /** Of a task that waits for its token. */
  taskToken: string | undefined;
  /** ISO 8601; recorded only for states that can see it. */
  enteredTime: string | undefined;
  /** Of this attempt. */
  work = new Work();

  constructor(
    lane: Lane,
    state: State,
    { input, names = lane.enter(state.name) }: { input: JsonValue; names?: Names },
  ) {
    this.lane = lane;
    this.state = state;
    this.input = input;
    this.path = names.path;
    this.prefix = names.prefix;
  }

  /** The same visit, seen and recorded from one of its lanes. */
  within(lane: Lane): StateRun {
    const inner = new StateRun(lane, this.state, { input: this.input, names: this });
    inner.attempt = this.attempt;
    inner.enteredTime = this.enteredTime;
    return inner;
  }

  /** As `dataOf`, counted; what a lane passes on unchanged is written once. */
  data(value: JsonValue, what: string): string {
    return this.lane.textOf(value) ?? this.lane.remember(value, dataOf(value, what, this.work));
  }

  /** Another attempt begins. */
  again(): void {
    this.lane.worked(this.work.units);
    this.work = new Work();
    this.attempt++;
    this.taskToken = undefined;
  }

  /**
   * Lets others have their turn, and what is told so far be stored, when this lane has done much without an operation.
   */
  async pauseWhenDue(): Promise<void> {
    if (!this.lane.isPauseDue) return;
    await this.record(PAUSE, async () => {
      await this.lane.session.host.turn?.();
      return null;
    });
  }

  async recordTime(): Promise<string> {
    const { clock } = this.lane.session.host;
    return this.record('entered', async () => new Date(clock.nowMs()).toISOString());
  }

  /** Idempotency key: the same for every attempt, resume and redrive of this visit. */
  get key(): string {
    const { keyPrefix, execution } = this.lane.session.host;
    return `${keyPrefix ?? execution.id}/${this.prefix}`;
  }

  /** Name of an operation of this attempt: the first of all is `path#visit` alone. */
  operation(purpose?: string): string {
    const attempt = this.attempt === 1 ? undefined : `attempt-${this.attempt}`;
    return operationName(this.prefix, [attempt, purpose].filter((part) => part !== undefined).join('/') || undefined);
  }

  /**
   * Runs `work` once and records its outcome. An attempt that was recorded as broken off is made again.
   *
   * @throws StatesError as it was recorded; Aborted when the lane is over.
   */
  async record<Result extends JsonValue>(purpose: string | undefined, work: StepFunc<Result>): Promise<Result> {
    this.lane.rested();
    for (let again = 0; ; again++) {
      const suffix = again === 0 ? purpose : [purpose, `again-${again}`].filter((part) => part !== undefined).join('/');
      this.lane.check();
      const step = this.lane.context.step(this.operation(suffix), work, ONCE);
      try {
        // A promise of its own: the SDK's begins to count as awaited only when somebody waits.
        return await this.lane.track(step.then((result) => result));
      } catch (error) {
        const failure = fromDurable(error);
        if (!(failure instanceof Aborted)) throw failure;
      }
    }
  }

  /** Evaluates at once, or within a recorded step when two evaluations may differ. */
  async steady(purpose: string, isRandom: boolean, evaluate: () => JsonValue): Promise<JsonValue> {
    if (!isRandom) return evaluate();
    return this.record(purpose, async () => {
      const value = evaluate();
      this.data(value, `The value of ${purpose}`);
      return value;
    });
  }

  /** What paths of this state may look at, with `input` for `$`. */
  sources(input: JsonValue): PathSources {
    const { work } = this;
    return { input, context: () => this.contextObject(), variable: (name) => this.lane.scope.get(name), work };
  }

  contextObject(): JsonValue {
    const { execution, stateMachine } = this.lane.session.host;
    return {
      Execution: {
        Id: execution.id,
        Input: execution.input ?? {},
        Name: execution.name,
        ...(execution.roleArn === undefined ? {} : { RoleArn: execution.roleArn }),
        StartTime: execution.startTime,
        RedriveCount: execution.redriveCount ?? 0,
      },
      State: {
        EnteredTime: this.enteredTime ?? execution.startTime,
        Name: this.state.name,
        RetryCount: this.attempt - 1,
      },
      StateMachine: { Id: stateMachine.id, Name: stateMachine.name },
      ...(this.taskToken === undefined ? {} : { Task: { Token: this.taskToken } }),
      ...(this.lane.mapItem === undefined ? {} : { Map: this.lane.mapItem }),
    };
  }

  /** An error of this state, in the words of the service. */
  failure(error: string, why: string): StatesError {
    return new StatesError(error, `An error occurred while executing the state '${this.state.name}'. ${why}`);
  }

  tooLarge(what: string): StatesError {
    return this.failure(STATES.dataLimit, `${what} is larger than ${LARGEST} bytes.`);
  }
}
