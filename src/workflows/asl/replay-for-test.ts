/** A durable backend in memory that can be cut off after any number of checkpoints and continued from its records. */

import type { DurableExecutionClient, Operation, OperationUpdate } from '@aws/durable-execution-sdk-js';
import { InvocationStatus, withDurableExecution } from '@aws/durable-execution-sdk-js';
import type { DurableContext } from '@aws/durable-execution-sdk-js';

export type Program = (context: DurableContext) => Promise<unknown>;

type Stored = { -readonly [Key in keyof Operation]: Operation[Key] };

export interface Ended {
  readonly status: string;
  readonly result: unknown;
  readonly error: { readonly ErrorType?: string | undefined; readonly ErrorMessage?: string | undefined } | undefined;
}

export class RecordedExecution {
  readonly operations = new Map<string, Stored>();
  readonly #answers: ReadonlyMap<string, string>;
  #left = Infinity;
  /** Checkpoints that were written. */
  written = 0;

  /** @param answers - What callbacks are completed with, by the name of their operation. */
  constructor(answers: ReadonlyMap<string, string> = new Map()) {
    this.#answers = answers;
    this.operations.set('execution', {
      Id: 'execution',
      Type: 'EXECUTION',
      Status: 'STARTED',
      StartTimestamp: new Date(0),
      ExecutionDetails: { InputPayload: '{}' },
    } as Stored);
  }

  /** Runs until the end, or until so many checkpoints are written and the next is refused: then `undefined`. */
  async run(program: Program, checkpoints = Infinity): Promise<Ended | undefined> {
    this.#left = checkpoints;
    const handler = withDurableExecution(async (_: unknown, context) => program(context), {
      durableExecutionClient: this.#client(),
    });
    for (;;) {
      this.#wake();
      const event = {
        DurableExecutionArn: 'arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/a/b',
        CheckpointToken: 't',
        InitialExecutionState: { Operations: [...this.operations.values()].map((each) => ({ ...each })) },
      };
      try {
        const answer = await handler(event as never, { getRemainingTimeInMillis: () => 50 } as never);
        if (answer.Status === InvocationStatus.SUCCEEDED)
          return { status: 'SUCCEEDED', result: JSON.parse(answer.Result ?? 'null'), error: undefined };
        if (answer.Status === InvocationStatus.FAILED)
          return { status: 'FAILED', result: undefined, error: answer.Error };
      } catch (error) {
        if (this.#left < 0) return undefined;
        throw error;
      }
    }
  }

  #client(): DurableExecutionClient {
    return {
      getExecutionState: async () => ({ Operations: [] }),
      checkpoint: async ({ Updates = [] }) => {
        if (--this.#left < 0) throw new Error('cut');
        this.written++;
        const changed = Updates.map((update) => this.#apply(update));
        return { CheckpointToken: 't', NewExecutionState: { Operations: changed } };
      },
    } as unknown as DurableExecutionClient;
  }

  #apply(update: OperationUpdate): Stored {
    const id = update.Id ?? '';
    const old = this.operations.get(id) ?? ({ Id: id, StartTimestamp: new Date(), Status: 'STARTED' } as Stored);
    const next = {
      ...old,
      Type: update.Type,
      Name: update.Name,
      SubType: update.SubType,
      ParentId: update.ParentId,
    } as Stored;
    if (update.Action === 'SUCCEED') next.Status = 'SUCCEEDED';
    if (update.Action === 'FAIL') next.Status = 'FAILED';
    const details = {
      ...(update.Payload === undefined ? {} : { Result: update.Payload }),
      ...(update.Error === undefined ? {} : { Error: update.Error }),
    };
    if (update.Type === 'STEP') next.StepDetails = { Attempt: 0, ...details } as never;
    if (update.Type === 'CONTEXT') next.ContextDetails = details as never;
    if (update.Type === 'WAIT') next.WaitDetails = { ScheduledEndTimestamp: new Date(Date.now() + 3_600_000) };
    if (update.Type === 'CALLBACK') next.CallbackDetails = { CallbackId: `callback-${id}` };
    this.operations.set(id, next);
    return next;
  }

  /** Before each invocation what waits is over: time has passed, and callbacks were answered. */
  #wake(): void {
    for (const operation of this.operations.values()) {
      if (operation.Status !== 'STARTED') continue;
      if (operation.Type === 'WAIT') operation.Status = 'SUCCEEDED';
      const answer = this.#answers.get(operation.Name ?? '');
      if (operation.Type === 'CALLBACK' && answer !== undefined) {
        operation.Status = 'SUCCEEDED';
        operation.CallbackDetails = { ...operation.CallbackDetails, Result: answer } as never;
      }
    }
  }

  /** Id, name, type and outcome of each operation, in the order of ids. */
  summary(): string[] {
    return [...this.operations.values()]
      .filter((operation) => operation.Type !== 'EXECUTION')
      .map(({ Id, Name, Type, Status }) => `${Id} ${Name} ${Type} ${Status}`)
      .toSorted();
  }
}
