/**
 * One execution while this process runs it: hands the SDK its operations, stores what it checkpoints, and ends when
 * the execution ends, waits, or is somebody else's.
 */

import { InvocationStatus } from '@aws/durable-execution-sdk-js';
import type {
  CheckpointDurableExecutionResponse,
  DurableExecutionClient,
  DurableExecutionInvocationOutput,
  GetDurableExecutionStateResponse,
  OperationUpdate,
  WireOperation,
} from '@aws/durable-execution-sdk-js';
import { toPlatformError } from '../../core/errors.ts';
import type { Clock, Write } from '../../core/ports.ts';
import { WorkflowFailure } from '../failure.ts';
import type { Applied, Transition } from './apply-updates.ts';
import { applyUpdates } from './apply-updates.ts';
import type { EventDraft } from './history-log.ts';
import type { Change, Journal, Loaded } from './journal.ts';
import { LIMITS, interrupted, refused } from './limits.ts';
import type { StoredOperation } from './operation.ts';
import { hasEnded, toWire, whenDue } from './operation.ts';
import type { Ending, Program } from './program.ts';
import { TOKENS } from './tables.ts';
import type { TaskTokens } from './task-token.ts';
import { tokenHash } from './task-token.ts';

/** Tokens outlive the longest execution there can be: a year. */
const TOKEN_KEPT_SECONDS = 400 * 24 * 3600;

export type Invoke = (run: Run, client: DurableExecutionClient) => Promise<DurableExecutionInvocationOutput>;

export interface RunParts {
  readonly loaded: Loaded;
  readonly program: Program;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly tokens: TaskTokens;
  /** Runs `body` while nobody else changes the execution. */
  readonly locked: <T>(body: () => Promise<T>) => Promise<T>;
  /** Tries `body` again while the store is full or away. */
  readonly patiently: <T>(body: () => Promise<T>, isWanted: () => boolean) => Promise<T>;
  /** Starts what an operation invokes. */
  readonly onInvoke: (operation: StoredOperation) => void;
  /** Operations that waited for children do not any more. */
  readonly onLeft: () => void;
}

/** Why a run is over although nothing more was stored of it here. */
export type Stop = 'stopped' | 'closed' | 'fenced';

export type Outcome =
  | { readonly kind: 'ended'; readonly ending: Ending }
  | { readonly kind: 'pending' }
  | { readonly kind: 'interrupted'; readonly reason: unknown }
  | { readonly kind: 'over' };

export class Run implements DurableExecutionClient {
  readonly loaded: Loaded;
  readonly program: Program;
  readonly #parts: RunParts;
  readonly #controller = new AbortController();
  readonly #stopped: Promise<void>;
  #signalStop: () => void = () => undefined;
  /** Operations that others changed since the SDK was last told. */
  readonly #news = new Set<string>();
  readonly #drafts: EventDraft[] = [];
  #over: Stop | undefined;
  #isClosing = false;
  #largeResult: string | undefined;
  /** What the workflow threw in this invocation. */
  #thrown: unknown;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.loaded = parts.loaded;
    this.program = parts.program;
    this.#stopped = new Promise((resolve) => (this.#signalStop = resolve));
    for (const operation of this.loaded.state.all()) this.#tellAnswer(operation);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  get hasNews(): boolean {
    return this.#news.size > 0;
  }

  event(draft: EventDraft): void {
    this.#drafts.push(draft);
  }

  /** Remembers that an operation was changed from outside. */
  tell(id: string): void {
    this.#news.add(id);
    const operation = this.loaded.state.get(id);
    if (operation !== undefined) this.#tellAnswer(operation);
  }

  /** Events that no commit has taken along yet. */
  get drafts(): readonly EventDraft[] {
    return [...this.#drafts];
  }

  /** The first `count` of {@link drafts} are stored. */
  dropDrafts(count: number): void {
    this.#drafts.splice(0, count);
  }

  /** Nothing more is stored of this run; what it does is aborted. */
  stop(why: Stop, reason: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#controller.abort(reason);
    this.#signalStop();
  }

  /** Ends with the next checkpoint after which no step is under way. */
  closeGracefully(): void {
    this.#isClosing = true;
  }

  operations(): WireOperation[] {
    return this.loaded.state.shown().map((operation) => this.#wire(operation));
  }

  /** One invocation of the handler. */
  async invoke(invoke: Invoke): Promise<Outcome> {
    this.#news.clear();
    this.#thrown = undefined;
    const answer = invoke(this, this).then(
      (output): Outcome => this.#outcome(output),
      (reason: unknown): Outcome => ({ kind: 'interrupted', reason }),
    );
    const outcome = await Promise.race([answer, this.#stopped.then((): Outcome => ({ kind: 'over' }))]);
    return this.#over === undefined ? outcome : { kind: 'over' };
  }

  /** Runs the program, keeping what it throws as it is: the SDK hands on its words alone. */
  async perform(context: Parameters<Program['run']>[0], input: Parameters<Program['run']>[1]): Promise<unknown> {
    try {
      return await this.program.run(context, input, this);
    } catch (thrown) {
      this.threw(thrown);
      throw thrown;
    }
  }

  threw(thrown: unknown): void {
    this.#thrown = thrown;
  }

  async checkpoint(params: {
    readonly Updates?: OperationUpdate[] | undefined;
  }): Promise<CheckpointDurableExecutionResponse> {
    const updates = params.Updates ?? [];
    const attempt = (): Promise<WireOperation[]> => this.#parts.locked(() => this.#store(updates));
    let operations: WireOperation[];
    try {
      operations = await this.#parts.patiently(attempt, () => this.#over === undefined);
    } catch (thrown) {
      if (toPlatformError(thrown).code === 'EXECUTION_FENCED') this.stop('fenced', thrown);
      throw 'isDurableExecutionClientError' in (thrown as object) ? thrown : interrupted(String(thrown), thrown);
    }
    if (this.#isClosing && !this.#isExecuting()) this.stop('closed', closing());
    if (this.#over !== undefined) throw interrupted(`The run is over: ${this.#over}.`);
    return { CheckpointToken: 'current', NewExecutionState: { Operations: operations } };
  }

  /** Everything is in the event of the invocation. */
  async getExecutionState(): Promise<GetDurableExecutionStateResponse> {
    return { Operations: this.operations() };
  }

  /** Lets happen what is due. @returns whether anything was. */
  async advance(): Promise<boolean> {
    const due = this.#dueTransitions(new Map());
    if (due.length === 0) return false;
    const operations = due.map(({ after }) => after);
    await this.#commit({ operations, events: this.#eventsOf(due), timer: { bucket: 'running', atMs: 0 } });
    for (const { after } of due) this.#news.add(after.id);
    return true;
  }

  async #store(updates: readonly OperationUpdate[]): Promise<WireOperation[]> {
    if (this.#over !== undefined) throw interrupted(`The run is over: ${this.#over}.`);
    const { loaded } = this;
    const nowMs = this.#parts.clock.nowMs();
    const applied = applyUpdates(updates, loaded.state, { nowMs, started: loaded.head.started });
    this.#checkLimits(applied);
    if (applied.result !== undefined) this.#largeResult = applied.result;
    const due = this.#dueTransitions(applied.changed);
    const operations = [...applied.changed.values(), ...due.map(({ after }) => after)];
    if (operations.length > 0 || this.#drafts.length > 0) {
      const { drafts } = this;
      await this.#commit({
        operations,
        started: applied.started,
        bytes: applied.bytes,
        events: [...drafts, ...this.#eventsOf([...applied.transitions, ...due])],
        writes: this.#tokenWrites(applied),
        timer: { bucket: 'running', atMs: 0 },
      });
      this.dropDrafts(drafts.length);
      for (const operation of applied.changed.values()) if (isInvocation(operation)) this.#parts.onInvoke(operation);
    }
    return this.#answer(operations);
  }

  #checkLimits({ started, bytes }: Applied): void {
    const { head, id } = this.loaded;
    if (head.started + started > LIMITS.operations)
      throw refused(`Execution "${id}" has more than ${LIMITS.operations} operations. Continue in another execution.`);
    if (head.bytes + bytes > LIMITS.storedBytes)
      throw refused(`Execution "${id}" has stored more than ${LIMITS.storedBytes} bytes.`);
    if (head.events + this.#drafts.length > LIMITS.historyEvents)
      throw refused(`Execution "${id}" has more than ${LIMITS.historyEvents} events in its history.`);
  }

  async #commit(change: Change): Promise<void> {
    await this.#parts.journal.commit(this.loaded, change);
    if (this.loaded.state.takeLeft()) this.#parts.onLeft();
  }

  #eventsOf(transitions: readonly Transition[]): readonly EventDraft[] {
    const { program, loaded } = this;
    if (program.eventsOf === undefined) return [];
    const changed = new Map(transitions.map(({ after }) => [after.id, after]));
    return transitions.flatMap((transition) => {
      const { parent } = transition.after;
      const context = parent === undefined ? undefined : (changed.get(parent) ?? loaded.state.get(parent));
      return program.eventsOf?.({ ...transition, parent: context }) ?? [];
    });
  }

  /** Due operations and what becomes of them. */
  #dueTransitions(except: ReadonlyMap<string, unknown>): Transition[] {
    const { state, head } = this.loaded;
    const moment = { nowMs: this.#parts.clock.nowMs(), started: head.started };
    return state
      .due(moment.nowMs)
      .filter(({ id }) => !except.has(id))
      .map((before) => ({ before, after: whenDue(before, moment) }));
  }

  /** What was answered from outside, perhaps while nobody ran, is told in the history by its run. */
  #tellAnswer(operation: StoredOperation): void {
    if ((operation.type !== 'CALLBACK' && operation.type !== 'CHAINED_INVOKE') || !hasEnded(operation)) return;
    const before: StoredOperation = { ...operation, status: 'STARTED' };
    const parent = operation.parent === undefined ? undefined : this.loaded.state.get(operation.parent);
    this.#drafts.push(...(this.program.eventsOf?.({ after: operation, before, parent }) ?? []));
  }

  #tokenWrites({ changed }: Applied): readonly Write[] {
    const writes: Write[] = [];
    for (const operation of changed.values()) {
      if (operation.type !== 'CALLBACK' || this.loaded.state.get(operation.id) !== undefined) continue;
      const expiresAt = Math.floor(operation.start / 1000) + TOKEN_KEPT_SECONDS;
      const hash = tokenHash(this.#token(operation));
      writes.push({ table: TOKENS, put: { hash, execution: this.loaded.id, operation: operation.id, expiresAt } });
    }
    return writes;
  }

  /** What the SDK has not heard of yet, in the state after the commit. */
  #answer(operations: readonly StoredOperation[]): WireOperation[] {
    const told = new Map(operations.map((operation) => [operation.id, operation]));
    for (const id of this.#news) {
      const operation = this.loaded.state.get(id);
      if (operation !== undefined) told.set(id, operation);
    }
    this.#news.clear();
    return [...told.values()].map((operation) => this.#wire(operation));
  }

  #wire(operation: StoredOperation): WireOperation {
    return toWire(operation, operation.type === 'CALLBACK' ? this.#token(operation) : undefined);
  }

  #token(operation: StoredOperation): string {
    return this.#parts.tokens.mint(this.loaded.tenant, this.loaded.id, operation);
  }

  #isExecuting(): boolean {
    for (const { type, status } of this.loaded.state.all()) if (type === 'STEP' && status === 'STARTED') return true;
    return false;
  }

  #outcome(output: DurableExecutionInvocationOutput): Outcome {
    const atMs = this.#parts.clock.nowMs();
    if (output.Status === InvocationStatus.PENDING) return { kind: 'pending' };
    if (output.Status === InvocationStatus.SUCCEEDED) {
      const result = output.Result === '' ? this.#largeResult : output.Result;
      return { kind: 'ended', ending: succeeded(result ?? 'null', atMs) };
    }
    return { kind: 'ended', ending: this.#failed(output.Error ?? {}, atMs) };
  }

  #failed(
    error: { readonly ErrorType?: string | undefined; readonly ErrorMessage?: string | undefined },
    atMs: number,
  ): Ending {
    const thrown = this.#thrown;
    if (thrown instanceof WorkflowFailure && thrown.message === error.ErrorMessage) {
      const { failedPath } = thrown;
      return {
        status: 'FAILED',
        atMs,
        error: thrown.error,
        cause: thrown.cause,
        ...(failedPath !== undefined && { failedPath }),
      };
    }
    return { status: 'FAILED', atMs, error: error.ErrorType ?? 'Error', cause: error.ErrorMessage ?? '' };
  }
}

function succeeded(output: string, atMs: number): Ending {
  const bytes = Buffer.byteLength(output);
  if (bytes <= LIMITS.valueBytes) return { status: 'SUCCEEDED', atMs, output };
  const cause = `The output has ${bytes} bytes, and at most ${LIMITS.valueBytes} are stored. Keep large values elsewhere and return a reference.`;
  return { status: 'FAILED', atMs, error: 'States.DataLimitExceeded', cause };
}

export function isInvocation(operation: StoredOperation): boolean {
  return operation.type === 'CHAINED_INVOKE' && !hasEnded(operation);
}

function closing(): Error {
  return new Error('The engine is closing; the execution continues at the next start.');
}
