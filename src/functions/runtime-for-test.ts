/** What the tests of this folder need: a clock that moves by hand, a log to read, and a runtime on a folder of its own. */

import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { Context } from '../core/context.ts';
import type { Clock, Logger, TenantStore } from '../core/ports.ts';
import { createFunctionRuntime, type FunctionRuntime } from './function-runtime.ts';
import type { FunctionSpec } from './function-spec.ts';

/** Real time, but every timer fires only when the test says so. */
export class HeldClock implements Clock {
  readonly pending: { ms: number; run: () => void }[] = [];
  nowMs = (): number => Date.now();
  monotonicMs = (): number => performance.now();
  after(ms: number, run: () => void): () => void {
    const timer = { ms, run };
    this.pending.push(timer);
    return () => {
      const at = this.pending.indexOf(timer);
      if (at >= 0) this.pending.splice(at, 1);
    };
  }
  fire(ms: number): void {
    for (const timer of this.pending.filter((each) => each.ms === ms)) {
      this.pending.splice(this.pending.indexOf(timer), 1);
      timer.run();
    }
  }
}

export class Lines implements Logger {
  readonly records: { message: string; fields: Readonly<Record<string, unknown>> }[] = [];
  readonly #fields: Readonly<Record<string, unknown>>;
  constructor(records?: Lines['records'], fields = {}) {
    if (records !== undefined) this.records = records;
    this.#fields = fields;
  }
  log(_level: string, message: string, fields = {}): void {
    this.records.push({ message, fields: { ...this.#fields, ...fields } });
  }
  with(fields: Readonly<Record<string, unknown>>): Logger {
    return new Lines(this.records, { ...this.#fields, ...fields });
  }
}

interface StartOptions {
  readonly store?: TenantStore;
  readonly dataDir?: string;
  readonly random?: () => number;
  readonly searchPath?: string;
}

/** One test's runtime; `close` leaves neither process nor file. */
export class TestRuntime {
  readonly folder: string;
  readonly clock = new HeldClock();
  readonly log = new Lines();
  #runtime: FunctionRuntime | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<TestRuntime> {
    return new TestRuntime(await mkdtemp(join(tmpdir(), 'zeroplane-functions-')));
  }

  get runtime(): FunctionRuntime {
    if (this.#runtime === undefined) throw new Error('start it first');
    return this.#runtime;
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.folder, name)), { recursive: true });
      await writeFile(join(this.folder, name), text, { mode: name.endsWith('bootstrap') ? 0o755 : 0o644 });
    }
  }

  start(functions: readonly FunctionSpec[], options: StartOptions = {}): FunctionRuntime {
    const { clock, log, folder: baseDir } = this;
    const ids = { uuid: () => crypto.randomUUID() };
    this.#runtime = createFunctionRuntime({ functions, baseDir, clock, log, ids, ...options });
    return this.#runtime;
  }

  context(tenant = 'team-x'): Context {
    const principal = { id: 'ada', tenant, roles: [], scopes: [] } as const;
    return new Context({ principal, requestId: 'request-1', clock: this.clock, timeoutMs: 60_000, log: this.log });
  }

  async invoke(functionName: string, payload: unknown = {}, tenant?: string) {
    const text = JSON.stringify(payload);
    const result = await this.runtime.invoke({ functionName, payload: text }, this.context(tenant));
    return { ...result, value: JSON.parse(result.payload) as unknown };
  }

  stream(functionName: string, payload: unknown = {}) {
    return this.runtime.invokeStream({ functionName, payload: JSON.stringify(payload) }, this.context());
  }

  async close(): Promise<void> {
    await this.#runtime?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function spec(options: Partial<FunctionSpec> = {}): FunctionSpec {
  return { name: 'hello', handler: 'index.handler', runtime: 'nodejs22.x', code: '.', timeoutSeconds: 3, ...options };
}

/** A process that ended and waits for whoever adopted it to notice is not alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 8000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('waited too long');
    await new Promise((done) => setTimeout(done, 10));
  }
}
