/**
 * Runs executions: at most so many at once, each in one place at a time, from wherever its journal says it is. What an
 * execution means and who may touch it is the engine's business.
 */

import type { DurableContext, DurableExecutionClient, DurableLambdaHandler } from '@aws/durable-execution-sdk-js';
import { DurableExecutionInvocationInputWithClient, withDurableExecution } from '@aws/durable-execution-sdk-js';
import type { AuditEntry, AuditTrail } from '../../audit/audit-trail.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Clock, IdSource, JsonValue, Logger, StoreRoot, Write } from '../../core/ports.ts';
import { contextLogger } from './context-logger.ts';
import { lambdaContext } from './lambda-context.ts';
import type { EventDraft, StoredEvent } from './history-log.ts';
import { Journal } from './journal.ts';
import { EXECUTION_OPERATION, LiveExecutions, isAtEnd } from './live-executions.ts';
import type { StoredOperation } from './operation.ts';
import { Owners } from './owners.ts';
import type { Ending, ExecutionHost } from './program.ts';
import type { Failure } from './redrive.ts';
import { openVisits } from '../told-again.ts';
import { rewind } from './redrive.ts';
import { corrupt } from './record.ts';
import type { Run } from './run.ts';
import type { Scheduled } from './schedule.ts';
import { Schedule } from './schedule.ts';
import type { Place } from './slots.ts';
import { Slots } from './slots.ts';
import { TIMERS } from './tables.ts';
import type { TaskTokens } from './task-token.ts';
import { Worker } from './worker.ts';

/** How long a close waits for steps under way. */
const DRAIN_MS = 10_000;
const NOW = { bucket: 'running', atMs: 0 } as const;

export interface ExecutorOptions {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** @default changes leave no records there */
  readonly audit?: AuditTrail | undefined;
  readonly tokens: TaskTokens;
  readonly host: ExecutionHost;
  /** Executions of a tenant that run at the same time, while it is alone. @default 100 */
  readonly maxActive?: number | undefined;
  /** How long the records of an ended execution are kept. */
  readonly retentionMs: number;
  /**
   * Set where several processes share one store: an execution of another is taken over once that has shown no sign of
   * life for so long. Without it every execution is this process's from the start.
   */
  readonly leaseMs?: number | undefined;
  /** @default 10 s */
  readonly drainMs?: number | undefined;
}

export interface NewExecution extends Place {
  /** JSON text. */
  readonly input: string;
  readonly writes: readonly Write[];
  readonly events: readonly EventDraft[];
}

/** What comes from outside for an operation that waits. */
export interface Answer {
  readonly operation: string;
  readonly type: 'CALLBACK' | 'CHAINED_INVOKE';
  readonly result?: string;
  readonly error?: { readonly ErrorType?: string; readonly ErrorMessage?: string };
  /** Must be the operation's own, when given. */
  readonly token?: string;
  readonly entries?: readonly AuditEntry[];
}

/** How an operation was found by whoever wanted to change it. */
export interface Found {
  readonly operation: StoredOperation | undefined;
  /** Whether it still waited, and was changed. */
  readonly isOpen: boolean;
}

interface Wanted {
  readonly id: string;
  readonly type: StoredOperation['type'];
  readonly bytes: number;
  readonly token?: string | undefined;
  readonly entries?: readonly AuditEntry[] | undefined;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #journal: Journal;
  readonly #owners: Owners;
  readonly #live: LiveExecutions;
  readonly #schedule: Schedule;
  readonly #slots: Slots;
  readonly #handler: DurableLambdaHandler;
  /** By the Lambda context that the run's invocation was given. */
  readonly #runs = new WeakMap<object, Run>();
  #invocations = 0;

  constructor(options: ExecutorOptions) {
    const fence = options.ids.uuid();
    const { clock, host } = options;
    this.#options = options;
    this.#journal = new Journal({ store: options.store, audit: options.audit, nowMs: () => clock.nowMs(), fence });
    this.#owners = new Owners({ ...options, owner: fence });
    this.#live = new LiveExecutions({ ...options, journal: this.#journal, owners: this.#owners });
    this.#schedule = new Schedule({ ...options, onDue: (scheduled) => this.#onDue(scheduled) });
    const parts = { live: this.#live, journal: this.#journal, schedule: this.#schedule, host };
    const invoke = (run: Run, client: DurableExecutionClient) => this.#invoke(run, client);
    const worker = new Worker({ ...options, ...parts, invoke });
    this.#slots = new Slots({
      maxActive: options.maxActive ?? 100,
      work: (place) => worker.work(place),
      onRoom: () => void this.#schedule.sweep(),
    });
    this.#handler = withDurableExecution((input: JsonValue, context: DurableContext) => this.#perform(input, context));
  }

  /**
   * Checks the journal of everything that has not ended, then continues it.
   *
   * @throws PlatformError `JOURNAL_CORRUPT`.
   */
  async boot(): Promise<void> {
    await this.#owners.start();
    await this.#verify();
    await this.#schedule.sweep();
  }

  /** Ends what runs at a step boundary, or when the time for that is up. */
  async close(): Promise<void> {
    this.#schedule.stop();
    for (const run of this.#live.runs) run.closeGracefully();
    const cancel = this.#options.clock.after(this.#options.drainMs ?? DRAIN_MS, () => {
      for (const run of this.#live.runs) run.stop('closed', new Error('The engine is closing.'));
    });
    await this.#slots.close();
    cancel();
    await this.#owners.stop();
  }

  /** Returns once it is stored. @throws PlatformError `EXECUTION_FENCED` when there is one already. */
  async create({ tenant, id, input, writes, events }: NewExecution): Promise<void> {
    const operation: StoredOperation = {
      id: EXECUTION_OPERATION,
      type: 'EXECUTION',
      status: 'STARTED',
      n: 0,
      start: this.#options.clock.nowMs(),
      payload: input,
    };
    const loaded = this.#journal.begin(tenant, id);
    const bytes = Buffer.byteLength(input);
    await this.#journal.commit(loaded, { operations: [operation], bytes, writes, events, timer: NOW });
    this.#live.keep(loaded);
    // What does not fit the queue is read when its turn comes.
    if (!this.#slots.add({ tenant, id }, 'again')) this.#live.forget({ tenant, id });
  }

  /** Gives an operation that waits its result. @returns `undefined` when there is no such execution. */
  async answer(
    place: Place,
    { operation: id, type, result, error, token, entries }: Answer,
  ): Promise<Found | undefined> {
    const bytes = Buffer.byteLength(result ?? JSON.stringify(error));
    return this.#touch(place, { id, type, bytes, token, entries }, (operation, started) => ({
      ...withoutPayload(operation),
      status: error === undefined ? 'SUCCEEDED' : 'FAILED',
      end: this.#options.clock.nowMs(),
      e: started,
      ...(result !== undefined && { payload: result }),
      ...(error !== undefined && { error }),
    }));
  }

  /** Begins the heartbeat interval of a callback anew. @returns as {@link answer}. */
  async beat(place: Place, id: string, token: string): Promise<Found | undefined> {
    return this.#touch(place, { id, type: 'CALLBACK', bytes: 0, token }, (operation) =>
      operation.beatMs === undefined
        ? operation
        : { ...operation, beatDue: this.#options.clock.nowMs() + operation.beatMs },
    );
  }

  /** Whether an operation waits for its answer. */
  async awaits(place: Place, operation: string): Promise<boolean> {
    const loaded = this.#live.run(place)?.loaded ?? (await this.#journal.load(place.tenant, place.id));
    return loaded !== undefined && !isAtEnd(loaded) && loaded.state.awaits(operation);
  }

  /** Runs `body` while nobody changes the execution. It must not wait for anything that changes it. */
  exclusively<T>(place: Place, body: () => Promise<T>): Promise<T> {
    return this.#live.locked(place, body);
  }

  /** Ends an execution from outside. @returns false when it had ended. */
  async end(place: Place, ending: Ending, entries?: readonly AuditEntry[]): Promise<boolean> {
    return this.#live.end(place, ending, 'stopped', entries);
  }

  /**
   * The same for an execution whose journal cannot be read; the journal goes. Before {@link boot} alone, which tells
   * whoever waits for it.
   */
  async endUnread(place: Place, ending: Ending, entries?: readonly AuditEntry[]): Promise<void> {
    const { tenant, id } = place;
    await this.#live.locked(place, async () => {
      await this.#journal.remove(tenant, id);
      await this.#live.storeEnd(this.#journal.begin(tenant, id), ending, [], entries);
    });
  }

  /** What is wrong with the journal of an execution that has not ended; `undefined` when nothing is. */
  async damageOf({ tenant, id }: Place): Promise<string | undefined> {
    try {
      return (await this.#journal.load(tenant, id)) === undefined ? 'it has no records' : undefined;
    } catch (thrown) {
      if (!(thrown instanceof PlatformError) || thrown.code !== 'JOURNAL_CORRUPT') throw thrown;
      return String(thrown.details['damage']);
    }
  }

  /** Runs an ended execution again from where it failed. The caller has seen that it may. */
  async redrive(
    place: Place,
    parts: {
      readonly failure: Failure;
      readonly writes: readonly Write[];
      readonly events: readonly EventDraft[];
      readonly entries: readonly AuditEntry[];
    },
  ): Promise<void> {
    this.#live.unsettle(place);
    const beside = await this.#openVisits(place);
    await this.#live.change(place, (loaded) => {
      const { reopened, removed } = rewind(loaded.state, { ...parts.failure, beside });
      const { writes, events, entries } = parts;
      return { told: true, change: { writes, events, entries, operations: reopened, removed, timer: NOW } };
    });
    this.#slots.add(place, 'again');
  }

  async #openVisits(place: Place): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const { k } of (await this.history(place, 1))?.events ?? []) if (k !== undefined) keys.push(k);
    return openVisits(keys);
  }

  /** Events from `first` on, and the id of the last. @returns `undefined` when there is no such execution. */
  async history(
    { tenant, id }: Place,
    first: number,
  ): Promise<{ readonly last: number; readonly events: AsyncGenerator<StoredEvent> } | undefined> {
    const head = await this.#journal.head(tenant, id);
    if (head === undefined) return undefined;
    return { last: head.events, events: this.#journal.begin(tenant, id).history.read(first) };
  }

  /** As they are stored, in the order of their starts. @throws PlatformError `JOURNAL_CORRUPT`. */
  async operations({ tenant, id }: Place): Promise<readonly StoredOperation[]> {
    const loaded = await this.#journal.load(tenant, id);
    return loaded === undefined ? [] : [...loaded.state.all()];
  }

  // ------------------------------------------------------------------------------------------------------

  async #touch(
    place: Place,
    wanted: Wanted,
    after: (found: StoredOperation, started: number) => StoredOperation,
  ): Promise<Found | undefined> {
    let isWoken = false;
    const found = await this.#live.change<Found>(place, (loaded, run) => {
      const operation = loaded.state.get(wanted.id);
      if (operation === undefined || !this.#isMeant(place, operation, wanted))
        return { told: { operation: undefined, isOpen: false } };
      const isOver = operation.status !== 'STARTED' || isAtEnd(loaded) || loaded.state.isAbandoned(operation);
      if (isOver) return { told: { operation, isOpen: false } };
      const changed = after(operation, loaded.head.started);
      // What runs hears of it from its run; what waits is woken.
      isWoken = run === undefined && changed.status !== 'STARTED';
      const { bytes, entries } = wanted;
      const change = { operations: [changed], bytes, entries, ...(isWoken && { timer: NOW }) };
      return { told: { operation, isOpen: true }, change, news: [wanted.id] };
    });
    // What another process ran before it was taken over for this runs here now.
    if (isWoken || this.#options.leaseMs !== undefined) this.#slots.add(place, 'again');
    return found;
  }

  #isMeant({ tenant, id }: Place, operation: StoredOperation, { type, token }: Wanted): boolean {
    if (operation.type !== type) return false;
    return token === undefined || token === this.#options.tokens.mint(tenant, id, operation);
  }

  async #onDue({ tenant, id, bucket }: Scheduled): Promise<void> {
    if (bucket === 'ended') await this.#remove({ tenant, id });
    else this.#slots.add({ tenant, id }, 'never');
  }

  /** What was kept long enough goes; what cannot be removed now is tried with the next look. */
  async #remove(place: Place): Promise<void> {
    const { tenant, id } = place;
    try {
      await this.#live.locked(place, async () => {
        const writes = await this.#options.host.removal(tenant, id);
        await this.#journal.remove(tenant, id);
        await this.#options.store.store(tenant).transact([...writes, { table: TIMERS, delete: { execution: id } }]);
      });
    } catch (thrown) {
      this.#options.log.log('warn', 'workflow-removal-failed', { execution: id, reason: String(thrown) });
    }
  }

  async #verify(): Promise<void> {
    for (const bucket of ['running', 'waiting'] as const) {
      for await (const page of this.#schedule.read(bucket)) {
        for (const place of page) await this.#check(place);
        // Others have their turn between the pages.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  async #check(place: Place): Promise<void> {
    const damage = await this.damageOf(place);
    // Whoever repairs it has to know whose it is.
    if (damage !== undefined) throw corrupt(place.id, damage, { tenant: place.tenant });
  }

  #invoke(run: Run, client: DurableExecutionClient) {
    const { tenant, id } = run.loaded;
    this.#invocations += 1;
    const requestId = `${id}/${this.#invocations}`;
    const arn = `${tenant}/${id}`;
    const operations = run.operations();
    const threw = (thrown: unknown): void => run.threw(thrown);
    const elsewhere = run.program.invoke?.({ arn, tenant, requestId, operations, client, threw }, run);
    if (elsewhere !== undefined) return elsewhere;
    const context = lambdaContext({ name: id, tenant, requestId });
    this.#runs.set(context, run);
    const event = new DurableExecutionInvocationInputWithClient(
      { DurableExecutionArn: arn, CheckpointToken: 'current', InitialExecutionState: { Operations: operations } },
      client,
    );
    return this.#handler(event, context);
  }

  async #perform(input: JsonValue, context: DurableContext): Promise<unknown> {
    const run = this.#runs.get(context.lambdaContext);
    if (run === undefined) throw new Error('The invocation has no run.');
    context.configureLogger({ customLogger: contextLogger(run.program.log) });
    return run.perform(context, input);
  }
}

function withoutPayload(operation: StoredOperation): StoredOperation {
  const { payload: _payload, ...rest } = operation;
  return rest;
}
