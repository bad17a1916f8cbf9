/** State machines in `aws-local-stepfunctions`, which interprets them in this process and calls functions by their state. */

import { pathToFileURL } from 'node:url';
import type { JsonValue } from '../../src/core/ports.ts';
import type { TaskCall } from '../../src/workflows/asl/asl-host.ts';
import type { Ended, PeerMachine } from './asl-machines.ts';
import { functionOf } from './asl-machines.ts';
import { payloadOf, thrown } from './asl-sfn.ts';

type Handler = (input: JsonValue) => Promise<JsonValue>;

interface Package {
  readonly StateMachine: new (
    definition: JsonValue,
    options: object,
  ) => { run(input: JsonValue, options: object): { readonly result: Promise<JsonValue> } };
}

/** What can be told apart there: it has no history, and its causes are messages. */
export type LocalEnd = Pick<Ended, 'status' | 'output' | 'error'>;

export async function localStates(module: string): Promise<(machine: PeerMachine) => Promise<LocalEnd>> {
  const { StateMachine } = (await import(pathToFileURL(module).href)) as Package;
  return async (machine) => {
    try {
      const { definition, input } = machine;
      const run = new StateMachine(definition, { validationOptions: { noValidate: true } });
      const taskResourceLocalHandlers = handlersOf(machine);
      const output = await run.run(input, { overrides: { taskResourceLocalHandlers } }).result;
      return { status: 'SUCCEEDED', output };
    } catch (error) {
      const { cause } = error as { readonly cause?: { readonly name?: string } };
      return { status: 'FAILED', error: cause?.name ?? '' };
    }
  };
}

function handlersOf({ definition, functions }: PeerMachine): Readonly<Record<string, Handler>> {
  const handlers: Record<string, Handler> = {};
  for (const [name, arn] of tasksOf(definition)) {
    handlers[name] = async (input) => {
      const run = functions[functionOf(arn)];
      if (run === undefined) throw named('Lambda.ResourceNotFoundException', arn);
      try {
        return payloadOf(
          await run({ input, kind: 'function', signal: new AbortController().signal } as unknown as TaskCall),
        );
      } catch (error) {
        const told = thrown(error);
        throw named(told.errorType, JSON.stringify(told));
      }
    };
  }
  return handlers;
}

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });

/** Every Task at any depth, with the function that it calls. */
function tasksOf(value: JsonValue): readonly (readonly [string, string])[] {
  if (Array.isArray(value)) return value.flatMap((each) => tasksOf(each));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const state = member as { readonly Type?: string; readonly Resource?: string } | null;
    const own = state?.Type === 'Task' ? [[key, state.Resource ?? ''] as const] : [];
    return [...own, ...tasksOf(member)];
  });
}
