/**
 * Runs unmodified Lambda handlers on this machine, through the documented Lambda Runtime API: one process per
 * concurrent invocation, reused while warm. It decides where an invocation runs and for how long; what the event
 * looks like and what the answer means is left to the caller.
 */

import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { FunctionControl } from '../core/function-control.ts';
import type {
  Clock,
  FunctionInfo,
  FunctionInvoker,
  IdSource,
  Invocation,
  InvocationResult,
  Logger,
  StreamedInvocation,
  TenantStore,
} from '../core/ports.ts';
import { CodeWatch } from './code-watch.ts';
import { FunctionCatalog, LATEST } from './function-catalog.ts';
import { LocalFunctionControl } from './local-function-control.ts';
import { FunctionPool, throttled } from './function-pool.ts';
import { FunctionRecords } from './function-records.ts';
import { assertRunnable, type FunctionSpec, type ResolvedFunction } from './function-spec.ts';
import { GroupGuard } from './group-guard.ts';
import { assertPayload, BufferedCall, StreamedCall, type Call } from './invocation.ts';
import { Launcher } from './launch.ts';
import { VersionFolders } from './version-folders.ts';

export interface FunctionRuntimeOptions {
  readonly functions: readonly FunctionSpec[];
  /** Where relative `code` paths start: the folder of the configuration. */
  readonly baseDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ids: IdSource;
  /** Where versions, aliases and changes are kept. Absent: they end with the runtime. */
  readonly store?: TenantStore | undefined;
  /** Where the code of published versions is kept. Absent: in a temporary folder that ends with the runtime. */
  readonly dataDir?: string | undefined;
  /** Folders, as in `PATH`, in which interpreters and commands are found. @default the system's own */
  readonly searchPath?: string | undefined;
  /** Named in errors as the place to change a function. */
  readonly configFile?: string | undefined;
  /** At least 0 and below 1; chooses between the versions of an alias. @default Math.random */
  readonly random?: (() => number) | undefined;
}

export interface FunctionRuntime extends FunctionInvoker {
  /** Configurations, versions, aliases and tags, for the AWS endpoint and whoever follows versions. */
  readonly control: FunctionControl;
  invokeStream(invocation: Invocation, context: RequestContext): Promise<StreamedInvocation>;
  /** Reads what is kept of versions, aliases and changes; invocations wait for it, `list` does not. */
  ready(): Promise<void>;
  /** Takes a new list; changed and removed functions finish what runs and start anew on their next call. */
  reconfigure(functions: readonly FunctionSpec[]): void;
  /** Lets a function's processes finish and start anew, because its code has changed. */
  restart(name: string): void;
  /** Live processes, for the status page. */
  processCount(name?: string): number;
  /** Ends every process at once. Resolves when none is left. */
  close(): Promise<void>;
}

const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

/** Starts nothing: the processes begin with the first invocation. */
export function createFunctionRuntime(options: FunctionRuntimeOptions): FunctionRuntime {
  return new LocalRuntime(options);
}

class LocalRuntime implements FunctionRuntime {
  readonly label = 'embedded';
  readonly control: FunctionControl;
  readonly #options: FunctionRuntimeOptions;
  readonly #records: FunctionRecords;
  readonly #catalog: FunctionCatalog;
  readonly #control: LocalFunctionControl;
  readonly #folders: VersionFolders;
  readonly #launcher: Launcher;
  readonly #guard = new GroupGuard();
  readonly #watch: CodeWatch;
  /** By name and version, with the fingerprint in the pool's own spec. */
  readonly #pools = new Map<string, FunctionPool>();
  /** Pools that still finish an invocation of an older configuration. */
  readonly #retiring = new Set<FunctionPool>();
  #isLoaded = false;
  #closed = false;

  constructor(options: FunctionRuntimeOptions) {
    this.#options = options;
    const { baseDir, dataDir, store, clock, ids, log, configFile } = options;
    this.#watch = new CodeWatch({ clock, log, onChange: (name) => this.#reload(name) });
    this.#launcher = new Launcher(options.searchPath ?? SYSTEM_PATH);
    this.#folders = new VersionFolders(dataDir);
    this.#records = new FunctionRecords(store);
    this.#catalog = new FunctionCatalog({
      records: this.#records,
      baseDir,
      versionFolder: (name, version) => this.#folders.of(name, version),
      random: options.random ?? Math.random,
    });
    const parts = { records: this.#records, catalog: this.#catalog, folders: this.#folders, clock, ids, configFile };
    const refresh = (): void => this.#follow(this.#catalog.refresh());
    this.#control = new LocalFunctionControl({ ...parts, ready: () => this.ready(), refresh });
    this.control = this.#control;
    this.#catalog.configure(options.functions);
  }

  list(): readonly FunctionInfo[] {
    return this.#catalog.list();
  }

  async ready(): Promise<void> {
    if (this.#isLoaded) return;
    await this.#records.load();
    this.#isLoaded = true;
    this.#follow(this.#catalog.refresh());
  }

  async invoke(invocation: Invocation, context: RequestContext): Promise<InvocationResult> {
    return this.#submit(new BufferedCall(invocation, context, this.#options));
  }

  async invokeStream(invocation: Invocation, context: RequestContext): Promise<StreamedInvocation> {
    return this.#submit(new StreamedCall(invocation, context, this.#options));
  }

  reconfigure(functions: readonly FunctionSpec[]): void {
    const changed = this.#catalog.configure(functions);
    this.#follow(changed);
    for (const name of changed) this.#control.announce(name);
  }

  restart(name: string): void {
    this.#retire((pool) => pool.spec.name === name && pool.spec.version === LATEST);
  }

  processCount(name?: string): number {
    const pools = [...this.#pools.values(), ...this.#retiring];
    return pools
      .filter((pool) => name === undefined || pool.spec.name === name)
      .reduce((sum, pool) => sum + pool.size, 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    await Promise.all([...this.#pools.values(), ...this.#retiring].map((pool) => pool.close()));
    await Promise.all([this.#guard.close(), this.#folders.close()]);
  }

  async #submit<Result>(call: Call<Result>): Promise<Result> {
    if (!this.#isLoaded) await this.ready();
    const spec = this.#catalog.resolve(call.invocation.functionName);
    assertPayload(spec.name, call.invocation.payload);
    assertRunnable(spec);
    if (this.#closed)
      throw new PlatformError('SHUTTING_DOWN', 'The function runtime is closing. Try again after the restart.');
    return call.run(spec, (job) => this.#pool(spec).submit(job));
  }

  /** Its code on disk has changed. */
  #reload(name: string): void {
    this.restart(name);
    this.#control.announce(name);
  }

  /** Processes of what a name led to before finish what they do. */
  #follow(names: readonly string[]): void {
    const changed = new Set(names);
    this.#retire((pool) => changed.has(pool.spec.name) && !this.#isCurrent(pool.spec));
  }

  #isCurrent(spec: ResolvedFunction): boolean {
    try {
      return this.#catalog.resolve(`${spec.name}:${spec.version}`).fingerprint === spec.fingerprint;
    } catch {
      return false;
    }
  }

  #retire(isWanted: (pool: FunctionPool) => boolean): void {
    for (const [key, pool] of this.#pools) {
      if (!isWanted(pool)) continue;
      if (pool.spec.version === LATEST) this.#watch.stop(pool.spec.name);
      this.#pools.delete(key);
      this.#retiring.add(pool);
      void pool.retire().finally(() => this.#retiring.delete(pool));
    }
  }

  /** @throws PlatformError `FUNCTION_THROTTLED` when other versions of the function take all of its invocations. */
  #pool(spec: ResolvedFunction): FunctionPool {
    const key = spec.version === LATEST ? spec.name : `${spec.name}:${spec.version}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      const { clock, log, ids, searchPath = SYSTEM_PATH } = this.#options;
      pool = new FunctionPool({ spec, clock, log, ids, searchPath, launcher: this.#launcher, guard: this.#guard });
      this.#pools.set(key, pool);
      if (spec.version === LATEST) this.#watch.start(spec.name, { root: spec.taskRoot, file: spec.moduleFile });
    }
    if (this.#pools.size > 1 && this.#busy(spec.name) >= spec.concurrency) throw throttled(spec);
    return pool;
  }

  #busy(name: string): number {
    let sum = 0;
    for (const pool of this.#pools.values()) if (pool.spec.name === name) sum += pool.busy;
    return sum;
  }
}
