/** State machines as a kind of workflow. */

import { createHash } from 'node:crypto';
import type { JsonValue } from '../../core/ports.ts';
import type { PreparedWorkflow, RunInfo, WorkflowKind } from '../engine/workflow-engine.ts';
import type { AslHost, ChildCall, TaskCall } from './asl-host.ts';
import { interpret } from './interpreter.ts';
import type { Machine } from './machine.ts';
import { parseMachine } from './parse-machine.ts';
import { STATES, TaskError } from './states-error.ts';

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
}

export function aslKind(parts: AslKindParts): WorkflowKind {
  return {
    kind: 'asl',
    prepare: (definition) => prepared(parseMachine(definition), parts),
  };
}

function prepared(machine: Machine, parts: AslKindParts): PreparedWorkflow {
  const hash = createHash('sha256').update(JSON.stringify(machine.definition)).digest('hex');
  return {
    hash,
    version: INTERPRETER_VERSION,
    historyFrom: 'run',
    ...(machine.timeoutSeconds === undefined ? {} : { timeoutSeconds: machine.timeoutSeconds }),
    run: (context, input, run) => interpret(machine, input, context, hostOf(run, input, parts)),
  };
}

function hostOf(run: RunInfo, input: JsonValue, parts: AslKindParts): AslHost {
  const { region = 'us-east-1', accountId = '000000000000' } = parts;
  const arn = (type: string, name: string): string => `arn:aws:states:${region}:${accountId}:${type}:${name}`;
  const { execution, workflow } = run;
  return {
    // Names of executions are unique within a tenant only.
    keyPrefix: `${run.tenant}/${execution.id}`,
    execution: {
      id: arn('execution', execution.id),
      name: execution.name,
      startTime: new Date(execution.startedAtMs).toISOString(),
      input,
      redriveCount: execution.redriveCount,
    },
    stateMachine: { id: arn('stateMachine', workflow.name), name: workflow.name },
    clock: run.clock,
    signal: run.signal,
    runTask: (call) => parts.runTask(call, run),
    startChild: async (call) => ({ executionArn: arn('execution', await startChild(call, run)) }),
    event: (draft) => run.event(draft),
  };
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
