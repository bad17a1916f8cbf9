/** Checks states that stand together: where they lead, whether each is reached, and which variables they share. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { QueryChecks } from './check-query.ts';
import { checkState } from './check-state.ts';
import type { QueryLanguage, State, StateFields, StateGroup } from './machine.ts';
import type { Place, Problems } from './problems.ts';
import { inside, shown } from './problems.ts';

export interface GroupChecks {
  readonly problems: Problems;
  readonly language: QueryLanguage;
  /** Names of every state of the machine that was seen. */
  readonly names: Set<string>;
  /** Variables of the groups around this one. */
  readonly outerVariables: ReadonlySet<string>;
  readonly depth: number;
}

/** Parallel and Map states in one another. */
const DEEPEST = 10;

export function checkGroup(value: JsonValue | undefined, place: Place, checks: GroupChecks): StateGroup | undefined {
  const { problems, depth } = checks;
  const states = isObject(value) ? value['States'] : undefined;
  if (!isObject(value) || !isObject(states) || Object.keys(states).length === 0) {
    problems.invalid(
      place,
      'A state machine has States, an object with at least one state.',
      'Add States and StartAt.',
    );
    return undefined;
  }
  if (depth > DEEPEST) {
    problems.invalid(
      place,
      `Parallel and Map states are nested deeper than ${DEEPEST}.`,
      'Move the inner part into a machine of its own.',
    );
    return undefined;
  }
  return new GroupCheck(value as StateFields, states as StateFields, { place, checks }).run();
}

/** What `checkGroup` has found so far. */
class GroupCheck {
  readonly #fields: StateFields;
  readonly #definitions: StateFields;
  readonly #place: Place;
  readonly #checks: GroupChecks;
  readonly #queries: QueryChecks;
  readonly #targets = new Map<string, string[]>();
  readonly #inner: { value: JsonValue | undefined; place: Place; keep: (group: StateGroup | undefined) => void }[] = [];

  constructor(fields: StateFields, definitions: StateFields, at: { place: Place; checks: GroupChecks }) {
    this.#fields = fields;
    this.#definitions = definitions;
    this.#place = at.place;
    this.#checks = at.checks;
    this.#queries = new QueryChecks(at.checks.problems);
  }

  run(): StateGroup {
    const { problems } = this.#checks;
    const startAt = this.#fields['StartAt'];
    if (typeof startAt !== 'string' || !Object.hasOwn(this.#definitions, startAt)) {
      problems.invalid(
        inside(this.#place, 'StartAt'),
        `StartAt names no state here: ${shown(startAt)}.`,
        this.#known(),
      );
    }
    const states = new Map<string, State>();
    for (const [name, value] of Object.entries(this.#definitions)) {
      const state = this.#check(name, value ?? null);
      if (state !== undefined) states.set(name, state);
    }
    this.#checkReach(typeof startAt === 'string' ? startAt : '');
    const variables = this.#checkVariables();
    this.#checkInner(variables);
    return { startAt: typeof startAt === 'string' ? startAt : '', states };
  }

  #known(): string {
    return `The states here are ${Object.keys(this.#definitions)
      .slice(0, 10)
      .map((name) => shown(name))
      .join(', ')}.`;
  }

  #check(name: string, value: JsonValue): State | undefined {
    const { problems, names, language } = this.#checks;
    const place: Place = { state: name, pointer: inside(this.#place, 'States', name).pointer };
    if (names.has(name))
      problems.invalid(place, `The name ${shown(name)} is taken by another state.`, 'Rename one of them.');
    names.add(name);
    const targets: string[] = [];
    this.#targets.set(name, targets);
    return checkState(name, value, place, {
      problems,
      queries: this.#queries,
      machineLanguage: language,
      checkTarget: (target, at) => {
        if (typeof target === 'string' && Object.hasOwn(this.#definitions, target)) targets.push(target);
        else problems.invalid(at, `${shown(target)} is no state here.`, this.#known());
      },
      checkGroup: (inner, at, isProcessor) => this.#later(inner, at, isProcessor),
    });
  }

  /** Inner groups are checked when all variables of this one are known. */
  #later(value: JsonValue | undefined, place: Place, isProcessor: boolean): StateGroup {
    if (isProcessor) this.#checkMode(value, place);
    const group: { startAt: string; states: ReadonlyMap<string, State> } = { startAt: '', states: new Map() };
    this.#inner.push({
      value,
      place,
      keep: (checked) => {
        group.startAt = checked?.startAt ?? '';
        group.states = checked?.states ?? new Map<string, State>();
      },
    });
    return group;
  }

  #checkMode(value: JsonValue | undefined, place: Place): void {
    const config = isObject(value) ? value['ProcessorConfig'] : undefined;
    const mode = isObject(config) ? config['Mode'] : undefined;
    if (mode === undefined || mode === 'INLINE') return;
    this.#checks.problems.unsupported(
      inside(place, 'ProcessorConfig', 'Mode'),
      `The processor mode ${shown(mode as JsonValue)} is outside the portable profile.`,
      'Use INLINE, or start a child execution for each item.',
    );
  }

  #checkReach(startAt: string): void {
    const { problems } = this.#checks;
    const reached = new Set([startAt]);
    for (const name of reached) for (const target of this.#targets.get(name) ?? []) reached.add(target);
    for (const name of this.#targets.keys()) {
      if (!reached.has(name))
        problems.invalid(this.#placeOf(name), 'No state leads here.', 'Remove it, or lead to it.');
    }
    const isTerminal = (value: JsonValue | undefined): boolean =>
      isObject(value) && (value['End'] === true || value['Type'] === 'Succeed' || value['Type'] === 'Fail');
    if (!Object.values(this.#definitions).some(isTerminal)) {
      problems.invalid(this.#place, 'No state ends it.', 'Give one End: true, or add a Succeed or a Fail.');
    }
  }

  #placeOf(name: string): Place {
    return { state: name, pointer: inside(this.#place, 'States', name).pointer };
  }

  #checkVariables(): ReadonlySet<string> {
    const { problems, outerVariables } = this.#checks;
    for (const { name, place } of this.#queries.assigned) {
      if (!outerVariables.has(name)) continue;
      problems.invalid(
        place,
        `The variable $${name} belongs to the machine around this one.`,
        'Choose another name; it can be read here, not assigned.',
      );
    }
    const known = new Set([...outerVariables, ...this.#queries.assigned.map(({ name }) => name)]);
    for (const { name, place } of this.#queries.used) {
      if (known.has(name)) continue;
      problems.invalid(place, `No state assigns the variable $${name}.`, 'Assign it before, or correct its name.');
    }
    return known;
  }

  #checkInner(variables: ReadonlySet<string>): void {
    for (const { value, place, keep } of this.#inner) {
      keep(checkGroup(value, place, { ...this.#checks, outerVariables: variables, depth: this.#checks.depth + 1 }));
    }
  }
}
