/** Workflow variables. A branch or iteration sees those around it and keeps its own to itself. */

import type { JsonValue } from '../../core/ports.ts';

export class Scope {
  readonly #outer: Scope | undefined;
  readonly #values = new Map<string, JsonValue>();

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  get(name: string): JsonValue | undefined {
    return this.#values.get(name) ?? this.#outer?.get(name);
  }

  /** All at once, when the state that assigns them ends. */
  assign(values: Readonly<Record<string, JsonValue>>): void {
    for (const [name, value] of Object.entries(values)) this.#values.set(name, value);
  }
}
