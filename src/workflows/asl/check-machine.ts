/**
 * Everything that can be said of a definition before it runs: what makes it invalid here or for Step Functions, and
 * what a careful author would do differently.
 */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { Machine, State, StateGroup } from './machine.ts';
import { examine } from './parse-machine.ts';
import type { Parsed } from './parse-machine.ts';
import type { Place } from './problems.ts';
import { inside } from './problems.ts';
import { serviceProblems } from './service-validator.ts';

export interface Finding {
  readonly severity: 'error' | 'warning';
  /** `WORKFLOW_INVALID` and `WORKFLOW_UNSUPPORTED` are errors, the others are warnings. */
  readonly code: 'WORKFLOW_INVALID' | 'WORKFLOW_UNSUPPORTED' | 'TASK_WITHOUT_TIMEOUT' | 'TASK_WITHOUT_COMPENSATION';
  readonly state?: string;
  /** JSON pointer. */
  readonly pointer: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly next: string;
}

/** @param text - JSON text of a definition. */
export async function checkMachine(text: string): Promise<Finding[]> {
  const parsed = examine(text);
  const errors = parsed.problems.map((problem): Finding => finding('error', problem.code, problem, parsed));
  const theirs = await othersFindings(parsed);
  const warnings = parsed.machine === undefined ? [] : advice(parsed.machine, parsed);
  return [...errors, ...theirs, ...warnings].toSorted(
    (one, other) => one.line - other.line || one.column - other.column,
  );
}

function finding(
  severity: Finding['severity'],
  code: Finding['code'],
  { state, pointer, message, next, line, column }: Place & { message: string; next: string },
  parsed: Parsed,
): Finding {
  const found = parsed.locate(pointer) ?? { line: 1, column: 1 };
  const position = { line: line ?? found.line, column: column ?? found.column };
  return { severity, code, ...(state === undefined ? {} : { state }), pointer, ...position, message, next };
}

/** What asl-validator finds and we did not: our words for the same place are better than its. */
async function othersFindings(parsed: Parsed): Promise<Finding[]> {
  if (!isObject(parsed.definition)) return [];
  const isKnown = ({ pointer, state }: Place): boolean =>
    parsed.problems.some((each) => each.pointer.startsWith(pointer) || (state !== undefined && each.state === state));
  const theirs = await serviceProblems(parsed.definition as JsonValue);
  return theirs
    .filter((each) => !isKnown(each))
    .map((each) =>
      finding('error', 'WORKFLOW_INVALID', { ...each, next: 'Correct it, or Step Functions will refuse it.' }, parsed),
    );
}

// ---------------------------------------------------------------------------------------------- our advice

function advice(machine: Machine, parsed: Parsed): Finding[] {
  const names = new Set<string>();
  const tasks: { state: State; place: Place }[] = [];
  collect(machine, { state: undefined, pointer: '' }, (state, place) => {
    names.add(state.name);
    if (state.type === 'Task') tasks.push({ state, place });
  });
  return tasks.flatMap(({ state, place }) => [
    ...timeoutAdvice(state, place, parsed),
    ...compensationAdvice(state, place, { names, parsed }),
  ]);
}

function collect(group: StateGroup, at: Place, keep: (state: State, place: Place) => void): void {
  for (const state of group.states.values()) {
    const place: Place = { state: state.name, pointer: inside(at, 'States', state.name).pointer };
    keep(state, place);
    for (const [index, branch] of state.branches.entries()) collect(branch, inside(place, 'Branches', index), keep);
    const processor = state.fields['ItemProcessor'] === undefined ? 'Iterator' : 'ItemProcessor';
    if (state.processor !== undefined) collect(state.processor, inside(place, processor), keep);
  }
}

function timeoutAdvice({ name, fields }: State, place: Place, parsed: Parsed): Finding[] {
  if (fields['TimeoutSeconds'] !== undefined || fields['TimeoutSecondsPath'] !== undefined) return [];
  const words = {
    message: `The task "${name}" may take for ever.`,
    next: 'Add TimeoutSeconds, a little more than its longest good run.',
  };
  return [finding('warning', 'TASK_WITHOUT_TIMEOUT', { ...place, ...words }, parsed)];
}

/** `compensation: Undo`, or `no-compensation: reads only`, anywhere in the Comment of a Task. */
const COMPENSATION = /(?:^|[\s;,(])(no-)?compensation:\s*([^;\n)]*)/i;

function compensationAdvice(
  { name, fields }: State,
  place: Place,
  { names, parsed }: { names: ReadonlySet<string>; parsed: Parsed },
): Finding[] {
  const comment = typeof fields['Comment'] === 'string' ? fields['Comment'] : '';
  const [, no, said = ''] = COMPENSATION.exec(comment) ?? [];
  const words = (message: string): Finding[] => {
    const next =
      'Write "compensation: STATE" or "no-compensation: reason" into its Comment, such as "no-compensation: reads only".';
    return [finding('warning', 'TASK_WITHOUT_COMPENSATION', { ...place, message, next }, parsed)];
  };
  const value = said.trim();
  if (!COMPENSATION.test(comment)) return words(`The task "${name}" does not say what undoes it.`);
  if (value === '')
    return words(`The task "${name}" names no ${no === undefined ? 'state that undoes it' : 'reason'}.`);
  if (no !== undefined || isNamed(value, names)) return [];
  return words(`The task "${name}" is undone by "${value}", and there is no such state.`);
}

/** The state's name, with or without words behind it. */
function isNamed(value: string, names: ReadonlySet<string>): boolean {
  return [...names].some(
    (name) => value === name || (value.startsWith(name) && /^[\s.,]/.test(value.slice(name.length))),
  );
}
