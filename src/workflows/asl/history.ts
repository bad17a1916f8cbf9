/** The events of an execution's history, as Step Functions writes them. */

import type { JsonValue } from '../../core/ports.ts';
import type { JsonObject } from '../engine/workflow-engine.ts';
import type { Session } from './lane.ts';
import type { StateRun } from './state-run.ts';
import { STATES, StatesError } from './states-error.ts';

/** Events that an execution may have; a machine that goes round in circles ends here. */
const MOST_EVENTS = 25_000;

const COMPLETE = { truncated: false };

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
  const detail = details?.detail === undefined ? '' : `/${details.detail}`;
  session.host.event({
    key: `${run.prefix}/${run.attempt}/${type}${detail}`,
    type,
    ...(details === undefined ? {} : { member: details.member, details: details.details }),
  });
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
