/** The events of an execution's history, as Step Functions writes them. */

import type { JsonValue } from '../../core/ports.ts';
import { charactersIn } from '../durable/history-log.ts';
import type { JsonObject } from '../engine/workflow-engine.ts';
import type { Session } from './lane.ts';
import type { StateRun } from './state-run.ts';
import { STATES, StatesError } from './states-error.ts';

/** Events that an execution may have; a machine that goes round in circles ends here. */
const MOST_EVENTS = 25_000;

/** Characters of inputs and outputs that the history of one execution has whole. */
const MOST_TOLD = 24 * 1024 * 1024;
/** What is told of each beyond that. */
const BEGINNING = 1000;

const COMPLETE = { truncated: false };
const CUT = { truncated: true };

interface Details {
  readonly member: string;
  readonly details: JsonObject;
}

/**
 * Drafts an event of a state.
 *
 * @throws StatesError `States.Runtime`, which nothing catches, when the history is full.
 */
export function record(run: StateRun, type: string, details?: Details & { readonly detail?: string }): void {
  const { session } = run.lane;
  count(session);
  const told = details === undefined ? undefined : toldOf(run, details.details);
  const detail = details?.detail === undefined ? '' : `/${details.detail}`;
  session.host.event({
    key: `${run.prefix}/${run.attempt}/${type}${detail}`,
    type,
    ...(details === undefined || told === undefined ? {} : { member: details.member, details: told }),
  });
}

/** The details, or their beginnings once the execution has told more than its history keeps. */
function toldOf(run: StateRun, details: JsonObject): JsonObject {
  const { history } = run.lane.session;
  history.told += charactersIn(details);
  const told = history.told <= MOST_TOLD ? details : beginningsOf(details);
  run.work.text(charactersIn(told));
  return told;
}

function beginningsOf(details: JsonObject): JsonObject {
  const cut: Record<string, JsonValue> = { ...details };
  for (const [name, value] of Object.entries(details)) {
    if (typeof value !== 'string' || value.length <= BEGINNING) continue;
    cut[name] = value.slice(0, BEGINNING);
    if (name === 'input' || name === 'output') cut[`${name}Details`] = CUT;
  }
  return cut;
}

function count(session: Session): void {
  if (++session.history.count <= MOST_EVENTS) return;
  throw new HistoryFull();
}

/** Ends the execution whatever its states catch. */
export class HistoryFull extends StatesError {
  constructor() {
    super(STATES.runtime, `The execution has reached the most history events that it may have, ${MOST_EVENTS}.`);
  }
}

export function entered(run: StateRun, input: string): void {
  record(run, `${run.state.type}StateEntered`, {
    member: 'stateEnteredEventDetails',
    details: { name: run.state.name, input, inputDetails: COMPLETE },
  });
}

export function exited(run: StateRun, output: string, assigned: Readonly<Record<string, JsonValue>> | undefined): void {
  const variables = Object.entries(assigned ?? {}).map(([name, value]) => [name, JSON.stringify(value)] as const);
  record(run, `${run.state.type}StateExited`, {
    member: 'stateExitedEventDetails',
    details: {
      name: run.state.name,
      output,
      outputDetails: COMPLETE,
      ...(variables.length === 0 ? {} : { assignedVariables: Object.fromEntries(variables) }),
    },
  });
}
