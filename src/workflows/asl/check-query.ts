/** Checks paths, templates and expressions, and notes which variables they use. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { pathsOf } from './intrinsic-parser.ts';
import type { JsonPath } from './json-path.ts';
import { compilePath } from './json-path.ts';
import { PathSyntaxError } from './json-path-lexer.ts';
import { expressionOf, inspectExpression } from './jsonata-inspect.ts';
import type { QueryLanguage } from './machine.ts';
import { compileDynamic } from './payload-template.ts';
import type { Place, Problems } from './problems.ts';
import { inside, shown } from './problems.ts';

export interface VariableUse {
  readonly name: string;
  readonly place: Place;
}

/** Checks the queries of one group of states. */
export class QueryChecks {
  readonly #problems: Problems;
  readonly used: VariableUse[] = [];
  readonly assigned: VariableUse[] = [];

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  path(value: JsonValue, place: Place): void {
    const path = this.#compile(value, place, compilePath);
    if (path !== undefined) this.#note([path], place);
  }

  /** ResultPath: where to put something. */
  resultPath(value: JsonValue, place: Place): void {
    const path = this.#compile(value, place, compilePath);
    if (path === undefined || (path.isReference && path.root.kind === 'input')) return;
    this.#problems.invalid(
      place,
      `${shown(value)} is no place to put a result.`,
      'Use names and indexes only, as in $.a.b[0].',
    );
  }

  /** A path or an intrinsic function. */
  dynamic(value: JsonValue, place: Place): void {
    const compiled = this.#compile(value, place, compileDynamic);
    if (compiled !== undefined) this.#note('path' in compiled ? [compiled.path] : pathsOf(compiled.call), place);
  }

  template(value: JsonValue, place: Place): void {
    if (!isObject(value)) this.#problems.invalid(place, 'A payload template must be an object.', 'Give it members.');
    else this.#walk(value as JsonValue, place);
  }

  #walk(value: JsonValue, place: Place): void {
    if (Array.isArray(value)) {
      for (const [index, each] of (value as readonly JsonValue[]).entries()) this.#walk(each, inside(place, index));
      return;
    }
    if (!isObject(value)) return;
    const seen = new Set<string>();
    for (const [key, each] of Object.entries(value as { [key: string]: JsonValue })) {
      const name = key.endsWith('.$') ? key.slice(0, -2) : key;
      if (seen.has(name)) {
        this.#problems.invalid(
          inside(place, key),
          `The member "${name}" comes twice, with and without ".$".`,
          'Keep one.',
        );
      }
      seen.add(name);
      if (key.endsWith('.$')) this.dynamic(each, inside(place, key));
      else this.#walk(each, inside(place, key));
    }
  }

  /** JSON whose strings may be expressions. */
  jsonata(value: JsonValue, place: Place): void {
    if (typeof value === 'string') this.#expression(value, place);
    else if (Array.isArray(value)) {
      for (const [index, each] of (value as readonly JsonValue[]).entries()) this.jsonata(each, inside(place, index));
    } else if (isObject(value)) {
      for (const [key, each] of Object.entries(value as { [key: string]: JsonValue }))
        this.jsonata(each, inside(place, key));
    }
  }

  #expression(text: string, place: Place): void {
    const expression = expressionOf(text);
    if (expression === undefined) {
      const isHalf = text.trim().startsWith('{%') || text.trim().endsWith('%}');
      if (isHalf) {
        this.#problems.invalid(
          place,
          `${shown(text)} is neither text nor an expression.`,
          'Begin with {% and end with %}.',
        );
      }
      return;
    }
    const facts = inspectExpression(expression);
    for (const problem of facts.problems) {
      this.#problems.invalid(place, `The expression ${shown(expression)} is not accepted: ${problem}.`, 'Correct it.');
    }
    for (const name of facts.variables) this.used.push({ name, place });
  }

  assign(value: JsonValue, place: Place, language: QueryLanguage): void {
    if (!isObject(value)) {
      this.#problems.invalid(place, 'Assign must be an object.', 'Name variables and their values.');
      return;
    }
    for (const key of Object.keys(value)) this.#variable(key, inside(place, key), language);
    if (language === 'JSONata') this.jsonata(value as JsonValue, place);
    else this.template(value as JsonValue, place);
  }

  #variable(key: string, place: Place, language: QueryLanguage): void {
    const name = language === 'JSONPath' && key.endsWith('.$') ? key.slice(0, -2) : key;
    const isName = /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(name) && name.length <= 80 && name !== 'states';
    if (isName) this.assigned.push({ name, place });
    else {
      this.#problems.invalid(
        place,
        `"${name.slice(0, 90)}" cannot be a variable.`,
        'Use up to 80 letters, digits and "_", no digit first, and not "states".',
      );
    }
  }

  #note(paths: readonly JsonPath[], place: Place): void {
    for (const { root } of paths) if (root.kind === 'variable') this.used.push({ name: root.name, place });
  }

  #compile<Compiled>(value: JsonValue, place: Place, compile: (text: string) => Compiled): Compiled | undefined {
    if (typeof value !== 'string') {
      this.#problems.invalid(place, `${shown(value)} is no path.`, 'Write a string that begins with "$".');
      return undefined;
    }
    try {
      return compile(value);
    } catch (error) {
      if (!(error instanceof PathSyntaxError)) throw error;
      this.#problems.invalid(place, `${shown(value)} cannot be read: ${error.message}.`, 'Correct it.');
      return undefined;
    }
  }
}
