/**
 * Lambda's control plane over the functions of this machine. A change is stored before it is seen; changes of one
 * function come one after the other. What executes, and from which code, only the configuration decides.
 */

import { PlatformError } from '../core/errors.ts';
import type {
  AliasChanges,
  FunctionAlias,
  FunctionChanges,
  FunctionControl,
  FunctionRecord,
  NewFunction,
} from '../core/function-control.ts';
import { localFunctionArn } from '../core/lambda-arn.ts';
import type { Clock, IdSource } from '../core/ports.ts';
import { LATEST, type ConfiguredFunction, type FunctionCatalog } from './function-catalog.ts';
import { CodeDigests } from './function-code.ts';
import { checkAlias, checkChanges, checkDescription, checkExecuting, checkName, checkTags } from './function-limits.ts';
import { codeOf, lambdaTime, newRecord, RecordReader, sourceOf } from './function-record.ts';
import {
  aliasKey,
  functionKey,
  versionKey,
  type FunctionRecords,
  type RecordChange,
  type StoredAlias,
  type StoredFunction,
  type StoredVersion,
} from './function-records.ts';
import type { VersionFolders } from './version-folders.ts';

export interface ControlParts {
  readonly records: FunctionRecords;
  readonly catalog: FunctionCatalog;
  readonly folders: VersionFolders;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly configFile?: string | undefined;
  /** Resolves when the records have been read. */
  readonly ready: () => Promise<void>;
  /** Called after each write. */
  readonly refresh: () => void;
}

export class LocalFunctionControl implements FunctionControl {
  readonly #parts: ControlParts;
  readonly #digests = new CodeDigests();
  readonly #reader: RecordReader;
  readonly #listeners = new Set<(name: string) => void>();
  /** The last change of each function, so that the next can wait for it. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#reader = new RecordReader({ ...parts, digests: this.#digests });
  }

  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells of a change that came another way: of the configuration, or of code on disk. */
  announce(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }

  // -- functions ------------------------------------------------------------------------------------------

  async list(): Promise<readonly FunctionRecord[]> {
    await this.#parts.ready();
    return this.#reader.list();
  }

  async get(name: string, qualifier = LATEST): Promise<FunctionRecord> {
    await this.#parts.ready();
    if (qualifier === LATEST) return this.#reader.latest(name);
    const alias = this.#parts.records.aliases.get(aliasKey(name, qualifier));
    const version = alias?.functionVersion ?? qualifier;
    return version === LATEST ? this.#reader.latest(name) : this.#reader.version(name, version);
  }

  create(input: NewFunction): Promise<FunctionRecord> {
    return this.#change(input.name, async () => {
      const { name, zip, tags = {} } = input;
      checkName(name);
      if (this.#reader.exists(name))
        throw exists(`Function "${name}" exists already. Update it, or choose another name.`, name);
      checkChanges(name, input);
      checkTags(name, tags);
      const created = newRecord(input, zip ?? new Uint8Array(), {
        now: this.#now(),
        revisionId: this.#parts.ids.uuid(),
      });
      await this.#store(name, { created, tags, changes: {} });
      return created;
    });
  }

  update(name: string, changes: FunctionChanges, revisionId?: string): Promise<FunctionRecord> {
    return this.#change(name, async () => {
      const before = await this.#require(name, revisionId);
      checkChanges(name, changes);
      const { created } = this.#parts.records.functions.get(name) ?? {};
      if (before.executes) {
        checkExecuting(name, changes, this.#place(name));
        const old = this.#parts.catalog.changesOf(name)?.changes ?? {};
        await this.#store(name, { changes: { ...old, ...changes } });
      } else if (created !== undefined) {
        const { zip, ...rest } = changes;
        const code = zip === undefined ? {} : codeOf(zip);
        const stamp = { revisionId: this.#parts.ids.uuid(), lastModified: this.#now() };
        const next = { ...created, ...rest, ...code, ...stamp };
        await this.#store(name, { created: next });
      }
      return this.#reader.latest(name);
    });
  }

  delete(name: string, qualifier?: string): Promise<void> {
    return this.#change(name, async () => {
      if (qualifier !== undefined && qualifier !== LATEST) {
        await this.#deleteVersion(name, qualifier);
        return;
      }
      const record = await this.#require(name);
      if (record.executes) {
        const what = `Function "${name}" stands in the configuration. Remove it from ${this.#place(name)}.`;
        throw new PlatformError('INVALID_ARGUMENTS', what, { function: name });
      }
      const { records } = this.#parts;
      const versions = records.versionsOf(name).map((version) => versionKey(name, version.record.version));
      const aliases = records.aliasesOf(name).map((alias) => aliasKey(name, alias.name));
      await this.#write({ removed: [functionKey(name), ...versions, ...aliases] });
    });
  }

  async #deleteVersion(name: string, version: string): Promise<void> {
    const { records, folders } = this.#parts;
    this.#reader.version(name, version);
    const user = records
      .aliasesOf(name)
      .find((alias) => alias.functionVersion === version || alias.weights[version] !== undefined);
    if (user !== undefined) {
      const what = `Alias "${user.name}" of function "${name}" uses version ${version}. Point it elsewhere first.`;
      throw new PlatformError('INVALID_ARGUMENTS', what, { function: name, qualifier: version });
    }
    await this.#write({ removed: [versionKey(name, version)] });
    await folders.remove(name, version);
  }

  // -- versions -------------------------------------------------------------------------------------------

  publish(
    name: string,
    options: { readonly description?: string; readonly revisionId?: string } = {},
  ): Promise<FunctionRecord> {
    return this.#change(name, async () => {
      const record = await this.#require(name, options.revisionId);
      checkDescription(name, options.description);
      const configured = this.#parts.catalog.configured(name);
      if (!record.executes || configured === undefined) return this.#freeze(record, options.description);
      return this.#publishCode(record, configured, options.description);
    });
  }

  /** The digest is the copy's, so that an edit during the copying cannot come between the two. */
  async #publishCode(
    record: FunctionRecord,
    { resolved }: ConfiguredFunction,
    description: string | undefined,
  ): Promise<FunctionRecord> {
    const { folders, ids } = this.#parts;
    const unchanged = this.#published(record);
    if (unchanged !== undefined) return unchanged;
    const place = { root: resolved.taskRoot, file: resolved.moduleFile };
    const staged = await folders.stage(record.name, place, ids.uuid());
    try {
      const { sha256, size } = await this.#digests.of({ root: staged.folder, file: resolved.moduleFile });
      const copied = { ...record, codeSha256: sha256, codeSize: size };
      const version = await this.#freeze(copied, description, {
        ...(resolved.moduleFile === undefined ? {} : { file: resolved.moduleFile }),
        beforeStored: (number) => staged.keep(number),
      });
      return version;
    } finally {
      await staged.drop();
    }
  }

  #published(record: FunctionRecord): FunctionRecord | undefined {
    const last = this.#parts.records.versionsOf(record.name).at(-1);
    return last?.source === sourceOf(record) ? this.#reader.withTags(last.record) : undefined;
  }

  async #freeze(
    record: FunctionRecord,
    description: string | undefined,
    code: { readonly file?: string; readonly beforeStored?: (version: string) => Promise<void> } = {},
  ): Promise<FunctionRecord> {
    const unchanged = this.#published(record);
    if (unchanged !== undefined) return unchanged;
    const { name } = record;
    const { records, ids } = this.#parts;
    const number = records.functions.get(name)?.nextVersion ?? 1;
    const version = String(number);
    const frozen: FunctionRecord = {
      ...record,
      arn: `${localFunctionArn(name)}:${version}`,
      version,
      description: description ?? record.description,
      lastModified: this.#now(),
      revisionId: ids.uuid(),
    };
    await code.beforeStored?.(version);
    const stored: StoredVersion = {
      record: frozen,
      source: sourceOf(record),
      ...(code.file === undefined ? {} : { file: code.file }),
    };
    await this.#write({ functions: [{ ...this.#stored(name), nextVersion: number + 1 }], versions: [stored] });
    return frozen;
  }

  async versions(name: string): Promise<readonly FunctionRecord[]> {
    await this.#parts.ready();
    const latest = await this.#reader.latest(name);
    return [latest, ...this.#parts.records.versionsOf(name).map(({ record }) => this.#reader.withTags(record))];
  }

  // -- aliases --------------------------------------------------------------------------------------------

  createAlias(
    name: string,
    alias: string,
    changes: AliasChanges & { readonly functionVersion: string },
  ): Promise<FunctionAlias> {
    return this.#change(name, async () => {
      await this.#require(name);
      if (this.#parts.records.aliases.has(aliasKey(name, alias)))
        throw exists(`Function "${name}" has an alias "${alias}" already. Update it.`, name);
      const { functionVersion, description = '', weights = {} } = changes;
      const arn = `${localFunctionArn(name)}:${alias}`;
      return this.#writeAlias({
        functionName: name,
        name: alias,
        arn,
        functionVersion,
        description,
        weights,
        revisionId: '',
      });
    });
  }

  updateAlias(name: string, alias: string, changes: AliasChanges, revisionId?: string): Promise<FunctionAlias> {
    return this.#change(name, async () => {
      const before = this.#alias(name, alias);
      assertRevision(`alias "${alias}" of function "${name}"`, before.revisionId, revisionId);
      return this.#writeAlias({ ...before, ...changes });
    });
  }

  deleteAlias(name: string, alias: string): Promise<void> {
    return this.#change(name, async () => {
      await this.#require(name);
      await this.#write({ removed: [aliasKey(name, alias)] });
    });
  }

  async alias(name: string, alias: string): Promise<FunctionAlias> {
    await this.#parts.ready();
    return publicAlias(this.#alias(name, alias));
  }

  async aliases(name: string): Promise<readonly FunctionAlias[]> {
    await this.#parts.ready();
    if (!this.#reader.exists(name)) throw this.#parts.catalog.unknown(name);
    return this.#parts.records.aliasesOf(name).map(publicAlias);
  }

  async #writeAlias(alias: StoredAlias): Promise<FunctionAlias> {
    const { records, ids } = this.#parts;
    const { functionName } = alias;
    checkDescription(functionName, alias.description);
    checkAlias(
      functionName,
      alias,
      (version) => version === LATEST || records.versions.has(versionKey(functionName, version)),
    );
    const next = { ...alias, revisionId: ids.uuid() };
    await this.#write({ aliases: [next] });
    return publicAlias(next);
  }

  #alias(name: string, alias: string): StoredAlias {
    const stored = this.#parts.records.aliases.get(aliasKey(name, alias));
    if (!this.#reader.exists(name)) throw this.#parts.catalog.unknown(name);
    if (stored === undefined) throw this.#parts.catalog.unknownQualifier(name, alias);
    return stored;
  }

  // -- tags -----------------------------------------------------------------------------------------------

  tag(name: string, tags: Readonly<Record<string, string>>): Promise<void> {
    return this.#changeTags(name, (before) => ({ ...before, ...tags }));
  }

  untag(name: string, keys: readonly string[]): Promise<void> {
    return this.#changeTags(name, (before) =>
      Object.fromEntries(Object.entries(before).filter(([key]) => !keys.includes(key))),
    );
  }

  #changeTags(
    name: string,
    make: (before: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
  ): Promise<void> {
    return this.#change(name, async () => {
      const { tags: before } = await this.#require(name);
      const tags = make(before);
      checkTags(name, tags);
      await this.#store(name, { tags });
    });
  }

  // -- what is kept ---------------------------------------------------------------------------------------

  /** One change of a function at a time, told to the listeners once it is stored. */
  async #change<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
    await this.#parts.ready();
    const before = this.#turns.get(name);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return run();
    })();
    this.#turns.set(name, turn);
    try {
      const result = await turn;
      this.announce(name);
      return result;
    } finally {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
    }
  }

  /** The kept record of a function, with changes that the configuration has outdated left out. */
  #stored(name: string): StoredFunction {
    const { records, catalog, ids } = this.#parts;
    const fingerprint = catalog.configured(name)?.fingerprint ?? '';
    const nextVersion = records.functions.get(name)?.nextVersion ?? 1;
    const current = catalog.changesOf(name);
    if (current !== undefined) return { ...current, nextVersion };
    return { name, fingerprint, changes: {}, modifiedMs: 0, revision: ids.uuid(), nextVersion };
  }

  /** What was written is what names lead to, before the caller hears of it. */
  async #write(change: RecordChange): Promise<void> {
    await this.#parts.records.write(change);
    this.#parts.refresh();
  }

  async #store(name: string, parts: Partial<StoredFunction>): Promise<void> {
    const { clock, ids } = this.#parts;
    const base = this.#stored(name);
    await this.#write({ functions: [{ ...base, ...parts, modifiedMs: clock.nowMs(), revision: ids.uuid() }] });
  }

  /** The function as it is now. @throws PlatformError `FUNCTION_CHANGED` when that is not the caller's `revisionId`. */
  async #require(name: string, revisionId?: string): Promise<FunctionRecord> {
    const record = await this.#reader.latest(name);
    assertRevision(`Function "${name}"`, record.revisionId, revisionId);
    return record;
  }

  #place(name: string): string {
    const { configFile } = this.#parts;
    return configFile === undefined ? `functions.${name} of the configuration` : `functions.${name} in ${configFile}`;
  }

  #now(): string {
    return lambdaTime(this.#parts.clock.nowMs());
  }
}

function assertRevision(what: string, current: string, expected: string | undefined): void {
  if (expected === undefined || expected === current) return;
  const text = `${what} has changed since revision "${expected}". Read it again and repeat the change.`;
  throw new PlatformError('FUNCTION_CHANGED', text, { revisionId: current });
}

function exists(text: string, name: string): PlatformError {
  return new PlatformError('FUNCTION_EXISTS', text, { function: name });
}

function publicAlias({ functionName: _functionName, ...alias }: StoredAlias): FunctionAlias {
  return alias;
}
