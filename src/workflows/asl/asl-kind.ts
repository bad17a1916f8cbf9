/** State machines as a kind of workflow. */

import { createHash } from 'node:crypto';
import type { DurableExecutionInvocationOutput } from '@aws/durable-execution-sdk-js';
import type { JsonValue, Logger } from '../../core/ports.ts';
import type { Invocation } from '../durable/program.ts';
import type { PreparedWorkflow, RunInfo, WorkflowKind } from '../engine/workflow-engine.ts';
import type { AslHost, ChildCall, TaskCall } from './asl-host.ts';
import { interpret } from './interpreter.ts';
import type { Machine, StateGroup } from './machine.ts';
import { parseMachine } from './parse-machine.ts';
import { isPause } from './state-run.ts';
import { STATES, TaskError } from './states-error.ts';
import { turn } from './turn.ts';

/**
 * Raised whenever a machine would make other operations than before: executions that began under another version
 * cannot be replayed under this one.
 */
const INTERPRETER_VERSION = '1';

export interface AslKindParts {
  /** One attempt of a Task. @throws TaskError */
  readonly runTask: (call: TaskCall, run: RunInfo) => Promise<JsonValue>;
  /** Region and account of the ARNs that machines see. @default us-east-1 and 000000000000 */
  readonly region?: string;
  readonly accountId?: string;
  /** Interprets what would stop the thread it runs in. @default this thread */
  readonly threads?: Interpreters | undefined;
  /**
   * Which machines those are, beside executions that had to pause.
   *
   * @default those with expressions in JSONata, which are waited for in place
   */
  readonly isForThreads?: (machine: Machine) => boolean;
}

/** Runs a machine elsewhere: `workflows/threads`. */
export interface Interpreters {
  invoke(remote: RemoteRun): Promise<DurableExecutionInvocationOutput>;
}

/** One invocation of a machine, with all that its interpreter needs to know and to ask. */
export interface RemoteRun {
  readonly machine: { readonly hash: string; readonly definition: JsonValue };
  readonly identity: Identity;
  readonly host: Pick<AslHost, 'runTask' | 'startChild' | 'event'>;
  readonly invocation: Invocation;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What a machine may see of its execution, but for the input, which is among its operations. */
export type Identity = Pick<AslHost, 'keyPrefix' | 'stateMachine'> & {
  readonly execution: Omit<AslHost['execution'], 'input'>;
};

export function aslKind(parts: AslKindParts): WorkflowKind {
  return {
    kind: 'asl',
    prepare: (definition) => prepared(parseMachine(definition), parts),
  };
}

function prepared(machine: Machine, parts: AslKindParts): PreparedWorkflow {
  const { definition, timeoutSeconds } = machine;
  const hash = createHash('sha256').update(JSON.stringify(definition)).digest('hex');
  const { threads, isForThreads = usesJsonata } = parts;
  return {
    hash,
    version: INTERPRETER_VERSION,
    historyFrom: 'run',
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    run: (context, input, run) => interpret(machine, input, context, hostOf(run, input, parts)),
    invoke: (invocation, run) => {
      // What was done between two pauses is done again by a replay, in one go.
      const isElsewhere = isForThreads(machine) || invocation.operations.some(({ Name }) => isPause(Name));
      return isElsewhere ? threads?.invoke(remoteRun({ hash, definition }, invocation, run, parts)) : undefined;
    },
  };
}

function usesJsonata(group: StateGroup): boolean {
  for (const { language, branches, processor } of group.states.values()) {
    const inner = processor === undefined ? branches : [...branches, processor];
    if (language === 'JSONata' || inner.some((each) => usesJsonata(each))) return true;
  }
  return false;
}

function remoteRun(
  machine: RemoteRun['machine'],
  invocation: Invocation,
  run: RunInfo,
  parts: AslKindParts,
): RemoteRun {
  const { signal, log } = run;
  return { machine, identity: identityOf(run, parts), host: callsOf(run, parts), invocation, signal, log };
}

function hostOf(run: RunInfo, input: JsonValue, parts: AslKindParts): AslHost {
  const { execution, ...identity } = identityOf(run, parts);
  const { clock, signal } = run;
  return { ...identity, execution: { ...execution, input }, clock, signal, turn, ...callsOf(run, parts) };
}

function identityOf(run: RunInfo, parts: AslKindParts): Identity {
  const { execution, workflow } = run;
  return {
    // Names of executions are unique within a tenant only.
    keyPrefix: `${run.tenant}/${execution.id}`,
    execution: {
      id: arnOf(parts, 'execution', execution.id),
      name: execution.name,
      startTime: new Date(execution.startedAtMs).toISOString(),
      redriveCount: execution.redriveCount,
    },
    stateMachine: { id: arnOf(parts, 'stateMachine', workflow.name), name: workflow.name },
  };
}

function callsOf(run: RunInfo, parts: AslKindParts): RemoteRun['host'] {
  return {
    runTask: (call) => parts.runTask(call, run),
    startChild: async (call) => ({ executionArn: arnOf(parts, 'execution', await startChild(call, run)) }),
    event: (draft) => run.event(draft),
  };
}

function arnOf(parts: AslKindParts, type: string, name: string): string {
  const { region = 'us-east-1', accountId = '000000000000' } = parts;
  return `arn:aws:states:${region}:${accountId}:${type}:${name}`;
}

/** A workflow by name or ARN, with its version behind a colon. */
const MACHINE = /^(?:arn:[^:]+:states:[^:]*:[^:]*:stateMachine:)?([A-Za-z0-9._-]{1,80})(?::(\d{1,9}))?$/;

async function startChild(call: ChildCall, run: RunInfo): Promise<string> {
  const [, workflow, version] = MACHINE.exec(call.stateMachine) ?? [];
  if (workflow === undefined) {
    throw new TaskError(STATES.taskFailed, `"${call.stateMachine.slice(0, 100)}" names no state machine.`);
  }
  const { id } = await run.startChild({
    workflow,
    ...(version === undefined ? {} : { version: Number(version) }),
    ...(call.name === undefined ? {} : { name: call.name }),
    input: call.input,
    key: call.key,
    callbackId: call.callbackId,
  });
  return id;
}
