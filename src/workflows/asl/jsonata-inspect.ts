/** What can be said of a JSONata expression without evaluating it: whether it is allowed, and what it looks at. */

import jsonata from 'jsonata';
import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';

export interface ExpressionFacts {
  /** Two evaluations may differ: `$uuid`, `$now`, `$millis`, `$shuffle`, `$random` without a seed. */
  readonly isRandom: boolean;
  /** It can see when the state was entered. */
  readonly usesEnteredTime: boolean;
  /** Variables that it takes from outside, without `states` and the functions of the language. */
  readonly variables: ReadonlySet<string>;
  /** Members of `$states` that it looks at; `*` when it may look at any. */
  readonly states: ReadonlySet<string>;
  /** Why Step Functions would refuse it. */
  readonly problems: readonly string[];
}

type Node = Readonly<Record<string, unknown>>;

const LONGEST = 10_000;
const RANDOM: ReadonlySet<string> = new Set(['uuid', 'now', 'millis', 'shuffle']);
/** Members of the context object that never change while a state runs. */
const STABLE_CONTEXT: ReadonlySet<string> = new Set(['Execution', 'StateMachine', 'Map', 'Task']);

const BUILT_IN: ReadonlySet<string> = new Set(
  (
    'sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad ' +
    'match contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round abs ' +
    'sqrt power random boolean not map zip filter single reduce sift keys lookup append exists spread merge reverse ' +
    'each error assert type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl ' +
    'decodeUrlComponent decodeUrl toMillis fromMillis clone now millis partition range hash uuid parse'
  ).split(' '),
);

/** The expression between `{%` and `%}`; `undefined` for a string that is only text. */
export function expressionOf(text: string): string | undefined {
  return text.startsWith('{%') && text.endsWith('%}') && text.length >= 4 ? text.slice(2, -2).trim() : undefined;
}

const MOST_KEPT = 2000;
const kept = new Map<string, ExpressionFacts>();

/** Never throws: an expression that cannot be parsed has that as its problem. */
export function inspectExpression(expression: string): ExpressionFacts {
  const known = kept.get(expression);
  if (known !== undefined) return known;
  const inspection = new Inspection();
  try {
    if (expression.length > LONGEST) inspection.problems.push(`it is longer than ${LONGEST} characters`);
    else inspection.walk(jsonata(expression).ast() as unknown, false);
  } catch (error) {
    inspection.problems.push(`it is no valid JSONata: ${messageOf(error)}`);
  }
  if (kept.size >= MOST_KEPT) kept.clear();
  const facts = inspection.facts();
  kept.set(expression, facts);
  return facts;
}

function messageOf(error: unknown): string {
  const { message, position } = isObject(error) || error instanceof Error ? (error as Record<string, unknown>) : {};
  const place = typeof position === 'number' ? ` (at character ${position})` : '';
  return `${String(message ?? error).slice(0, 200)}${place}`;
}

class Inspection {
  readonly problems: string[] = [];
  readonly #used = new Set<string>();
  readonly #bound = new Set<string>();
  readonly #states = new Set<string>();
  #isRandom = false;
  #usesEnteredTime = false;

  facts(): ExpressionFacts {
    const isOutside = (name: string): boolean => !this.#bound.has(name) && !BUILT_IN.has(name) && name !== 'states';
    return {
      isRandom: this.#isRandom,
      usesEnteredTime: this.#usesEnteredTime,
      variables: new Set([...this.#used].filter(isOutside)),
      states: this.#states,
      problems: [...new Set(this.problems)],
    };
  }

  /** `hasContext`: something to the left gives names and `$` a meaning. At the top there is nothing. */
  walk(value: unknown, hasContext: boolean): void {
    if (Array.isArray(value)) {
      for (const each of value) this.walk(each, hasContext);
      return;
    }
    if (!isObject(value)) return;
    this.#node(value, hasContext);
    // Predicates, stages and groups look at what the node has found.
    for (const inner of [value['predicate'], value['stages'], value['group']]) this.walk(inner, true);
    for (const name of [value['focus'], value['index']]) if (typeof name === 'string') this.#bound.add(name);
  }

  #node(node: Node, hasContext: boolean): void {
    const type = String(node['type']);
    if (NEEDS_CONTEXT.has(type)) {
      if (!hasContext) this.problems.push(this.#unqualified(node));
      return;
    }
    if (type === 'path') return this.#path(node['steps'] as readonly Node[], hasContext);
    if (type === 'variable') return this.#variable(String(node['value']), hasContext);
    if (type === 'function' || type === 'partial') return this.#call(node, hasContext);
    if (type === 'bind') this.#bound.add(String((node['lhs'] as Node)['value']));
    if (type === 'lambda') {
      for (const argument of node['arguments'] as readonly Node[]) this.#bound.add(String(argument['value']));
      return this.walk(node['body'], hasContext);
    }
    const parts = GIVES_CONTEXT.get(type);
    for (const part of parts ?? CHILDREN) {
      if (type !== 'bind' || part !== 'lhs') this.walk(node[part], hasContext || parts !== undefined);
    }
  }

  #unqualified(node: Node): string {
    const what =
      node['type'] === 'name' ? `the name "${String(node['value'])}"` : `the operator of type ${String(node['type'])}`;
    return `${what} stands alone; begin with $states.input or a variable`;
  }

  #path(steps: readonly Node[], hasContext: boolean): void {
    const [first, ...rest] = steps;
    const isStates = first?.['type'] === 'variable' && first['value'] === 'states' && first['predicate'] === undefined;
    if (isStates) this.#lookAtStates(rest.map((step) => (step['type'] === 'name' ? String(step['value']) : '*')));
    else this.walk(first, hasContext);
    this.walk(rest, true);
  }

  #variable(name: string, hasContext: boolean): void {
    if (name === '$') this.problems.push('$$ is not available; begin with $states.input or a variable');
    else if (name === '') {
      if (!hasContext) this.problems.push('$ has no meaning at the top level; begin with $states.input or a variable');
    } else if (name === 'eval') this.problems.push('$eval is not available');
    else if (RANDOM.has(name) || name === 'random') this.#isRandom = true;
    else if (name === 'states') this.#lookAtStates([]);
    else this.#used.add(name);
  }

  #call(node: Node, hasContext: boolean): void {
    const procedure = node['procedure'] as Node;
    const args = node['arguments'] as readonly Node[];
    const isSeeded = procedure['value'] === 'random' && procedure['type'] === 'variable' && args.length > 0;
    if (!isSeeded) this.walk(procedure, hasContext);
    this.walk(args, hasContext);
  }

  /** `names`: the steps behind `$states`, `*` for one that is no plain name. */
  #lookAtStates(names: readonly string[]): void {
    const [member = '*', part = '*', detail = '*'] = names;
    this.#states.add(member);
    if (member !== 'context' && member !== '*') return;
    const isStable = STABLE_CONTEXT.has(part) || (part === 'State' && (detail === 'Name' || detail === 'RetryCount'));
    if (!isStable) this.#usesEnteredTime = true;
  }
}

/** Node types that mean nothing without something to their left. */
const NEEDS_CONTEXT: ReadonlySet<string> = new Set(['name', 'wildcard', 'descendant', 'parent']);

/** Node types that are applied to what is found, and where they keep their parts. */
const GIVES_CONTEXT: ReadonlyMap<string, readonly string[]> = new Map([
  ['transform', ['pattern', 'update', 'delete']],
  ['sort', ['terms']],
]);

/** Where the other node types keep their parts. */
const CHILDREN = ['expressions', 'expression', 'lhs', 'rhs', 'condition', 'then', 'else', 'expr', 'steps'] as const;

/** Every expression of a template with the path to it, as `Arguments/a[0]`. */
export function expressionsIn(template: JsonValue, field: string): { field: string; expression: string }[] {
  if (typeof template === 'string') {
    const expression = expressionOf(template);
    return expression === undefined ? [] : [{ field, expression }];
  }
  if (Array.isArray(template)) {
    return (template as readonly JsonValue[]).flatMap((each, index) => expressionsIn(each, `${field}[${index}]`));
  }
  if (!isObject(template)) return [];
  return Object.entries(template as { [key: string]: JsonValue }).flatMap(([key, each]) =>
    expressionsIn(each, `${field}/${key}`),
  );
}
