/**
 * Schemas that functions name by a tag: read from the EventBridge schema registry by their ARN, kept, and read again
 * from time to time, since the newest version counts. One that cannot be read is logged, and costs its function the
 * schema and nothing else.
 */

import type { Clock, FunctionDirectory, Logger } from '../core/ports.ts';
import type { ConfiguredFunction } from './published-functions.ts';
import { schemaFromRegistry } from './registry-schema.ts';
import type { SchemaObject } from './schema-bounds.ts';

/** Whoever reads schemas by ARN. */
export type SchemaSource = Pick<FunctionDirectory, 'schema'>;

export interface TaggedSchemasParts {
  readonly source: SchemaSource;
  readonly clock: Clock;
  readonly log: Logger;
}

const KEEP_MS = 5 * 60_000;
const KEEP_FAILURE_MS = 30_000;
/** For all that are due together; what comes later is there for the next list. */
const BUDGET_MS = 2_000;
const AT_ONCE = 8;
const MAX_KEPT = 10_000;

interface Kept {
  schema: SchemaObject | undefined;
  untilMs: number;
  /** Said once for the same reason. */
  reason: string | undefined;
}

export class TaggedSchemas {
  readonly #parts: TaggedSchemasParts;
  readonly #kept = new Map<string, Kept>();
  readonly #waiting: string[] = [];
  #reading: Promise<void> | undefined;

  constructor(parts: TaggedSchemasParts) {
    this.#parts = parts;
  }

  /** The functions with the schemas that their tags name, waited for as far as the budget goes. */
  async of<Each extends ConfiguredFunction>(
    functions: readonly Each[],
    tagKey: string,
  ): Promise<readonly (Each & ConfiguredFunction)[]> {
    const arns = functions.map((each) => arnOf(each, tagKey));
    const due = [...new Set(arns)].filter((arn) => arn !== undefined && this.#isDue(arn)) as string[];
    if (due.length > 0) await this.#within(this.#readAll(due));
    return functions.map((each, index) => {
      const taggedSchema = this.#kept.get(arns[index] ?? '')?.schema;
      return taggedSchema === undefined ? each : { ...each, taggedSchema };
    });
  }

  /** When a schema of these is to be read anew, on the clock's monotonic time. */
  dueAtMs(functions: readonly ConfiguredFunction[], tagKey: string): number {
    const arns = functions.flatMap((each) => arnOf(each, tagKey) ?? []);
    return arns.reduce((least, arn) => Math.min(least, this.#kept.get(arn)?.untilMs ?? 0), Infinity);
  }

  #isDue(arn: string): boolean {
    return (this.#kept.get(arn)?.untilMs ?? -Infinity) <= this.#parts.clock.monotonicMs();
  }

  /** A few at a time: the registry throttles. Whoever comes while they are read waits for the same. */
  #readAll(arns: readonly string[]): Promise<void> {
    this.#waiting.push(...arns.filter((arn) => !this.#waiting.includes(arn)));
    this.#reading ??= this.#drain().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.slice(0, AT_ONCE);
      await Promise.all(some.map((arn) => this.#read(arn)));
      this.#waiting.splice(0, some.length);
    }
  }

  /** What was read before stays when it cannot be read now. */
  async #read(arn: string): Promise<void> {
    const { source, clock, log } = this.#parts;
    const before = this.#kept.get(arn);
    let kept: Kept;
    try {
      const schema = schemaFromRegistry(await source.schema(arn), arn.slice(arn.lastIndexOf('/') + 1));
      if (schema === undefined) throw new Error('It holds neither a JSON Schema nor a component of OpenAPI.');
      kept = { schema, untilMs: clock.monotonicMs() + KEEP_MS, reason: undefined };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== before?.reason) log.log('warn', 'schema-not-read', { schema: arn.slice(0, 300), reason });
      kept = { schema: before?.schema, untilMs: clock.monotonicMs() + KEEP_FAILURE_MS, reason };
    }
    this.#kept.set(arn, kept);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? '');
  }

  async #within(work: Promise<unknown>): Promise<void> {
    let cancel: (() => void) | undefined;
    const late = new Promise<void>((done) => {
      cancel = this.#parts.clock.after(BUDGET_MS, done);
    });
    await Promise.race([work, late]);
    cancel?.();
  }
}

/** The operator's own schema comes first, so that the tag is not even read. */
function arnOf({ schema, tags }: ConfiguredFunction, tagKey: string): string | undefined {
  return schema === undefined && tags !== undefined && Object.hasOwn(tags, tagKey) ? tags[tagKey] : undefined;
}
