/**
 * Which functions there are and what a name leads to: the configuration's, with the changes that the control plane
 * has made to it since; published versions; aliases with their weights. It answers from memory.
 *
 * A changed configuration wins: changes are kept with the fingerprint of what they changed, and end with it.
 */

import { createHash } from 'node:crypto';
import { relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { PlatformError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/function-control.ts';
import { localFunctionArn, parseFunctionReference } from '../core/lambda-arn.ts';
import type { FunctionInfo } from '../core/ports.ts';
import { resolveFunction, type FunctionSpec, type ResolvedFunction } from './function-spec.ts';
import type { FunctionRecords, StoredAlias, StoredFunction, StoredVersion } from './function-records.ts';

export const LATEST = '$LATEST';

export interface CatalogParts {
  readonly records: FunctionRecords;
  readonly baseDir: string;
  /** Where the code of a published version lies. */
  readonly versionFolder: (name: string, version: string) => string;
  /** At least 0 and below 1. */
  readonly random: () => number;
}

/** A function of the configuration as it is now. */
export interface ConfiguredFunction {
  /** As the configuration has it. */
  readonly given: FunctionSpec;
  readonly fingerprint: string;
  /** With the changes made since. */
  readonly spec: FunctionSpec;
  readonly resolved: ResolvedFunction;
}

export class FunctionCatalog {
  readonly #parts: CatalogParts;
  #configured = new Map<string, ConfiguredFunction>();
  readonly #versions = new Map<string, ResolvedFunction>();

  constructor(parts: CatalogParts) {
    this.#parts = parts;
  }

  /** Takes a new configuration. @returns the names of which anything changed. */
  configure(functions: readonly FunctionSpec[]): string[] {
    const before = this.#configured;
    this.#configured = new Map(functions.map((given) => [given.name, this.#merge(given)]));
    this.#versions.clear();
    const names = new Set([...before.keys(), ...this.#configured.keys()]);
    return [...names].filter(
      (name) => !isDeepStrictEqual(before.get(name)?.resolved, this.#configured.get(name)?.resolved),
    );
  }

  /** Looks at the records again, which have changed. */
  refresh(): string[] {
    return this.configure([...this.#configured.values()].map(({ given }) => given));
  }

  configured(name: string): ConfiguredFunction | undefined {
    return this.#configured.get(name);
  }

  configuredNames(): string[] {
    return [...this.#configured.keys()];
  }

  list(): readonly FunctionInfo[] {
    return [...this.#configured.values()].map(({ resolved }) => ({
      name: resolved.name,
      arn: localFunctionArn(resolved.name),
      runtime: resolved.runtime,
      description: resolved.description,
      tags: resolved.tags,
      timeoutSeconds: resolved.timeoutSeconds,
      memoryMb: resolved.memoryMb,
    }));
  }

  /** Changes of the control plane that still count. */
  changesOf(name: string): StoredFunction | undefined {
    const stored = this.#parts.records.functions.get(name);
    const configured = this.#configured.get(name);
    if (configured === undefined) return stored?.created === undefined ? undefined : stored;
    return stored?.created === undefined && stored?.fingerprint === configured.fingerprint ? stored : undefined;
  }

  /**
   * What runs for a name or ARN with its qualifier, an alias resolved.
   *
   * @throws PlatformError `FUNCTION_NOT_FOUND`, `FUNCTION_FAILED` for a function that was created through the API.
   */
  resolve(text: string): ResolvedFunction {
    const reference = parseFunctionReference(text);
    const configured = reference === undefined ? undefined : this.#configured.get(reference.name);
    if (reference === undefined || configured === undefined) throw this.#missing(reference?.name ?? text);
    const { qualifier = LATEST, name } = reference;
    const version = this.#versionOf(name, qualifier);
    return version === LATEST ? configured.resolved : this.#version(configured, version, qualifier);
  }

  unknown(name: string): PlatformError {
    const known = [...this.#configured.keys()];
    const list = known.length === 0 ? 'No function is configured' : `Known functions: ${known.slice(0, 20).join(', ')}`;
    const next = `${list}. Add it under "functions" in the configuration, or correct the ARN.`;
    return new PlatformError('FUNCTION_NOT_FOUND', `Function "${name}" does not exist here. ${next}`, {
      function: name,
    });
  }

  unknownQualifier(name: string, qualifier: string): PlatformError {
    const { records } = this.#parts;
    const known = [
      LATEST,
      ...records.versionsOf(name).map(({ record }) => record.version),
      ...records.aliasesOf(name).map((alias) => alias.name),
    ];
    const what = `Function "${name}" has no version or alias "${qualifier}".`;
    return new PlatformError('FUNCTION_NOT_FOUND', `${what} It has ${known.slice(-20).join(', ')}.`, {
      function: name,
      qualifier,
    });
  }

  #versionOf(name: string, qualifier: string): string {
    if (qualifier === LATEST || /^\d+$/.test(qualifier)) return qualifier;
    const alias = this.#parts.records.aliases.get(`${name}#alias#${qualifier}`);
    if (alias === undefined) throw this.unknownQualifier(name, qualifier);
    return chooseVersion(alias, this.#parts.random);
  }

  #version(configured: ConfiguredFunction, version: string, qualifier: string): ResolvedFunction {
    const { name } = configured.given;
    const key = `${name}#version#${version}`;
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const stored = this.#parts.records.versions.get(key);
    if (stored === undefined) throw this.unknownQualifier(name, qualifier);
    const resolved = this.#frozen(configured, stored);
    this.#versions.set(key, resolved);
    return resolved;
  }

  /** How often and how a version runs at once is the function's own setting; everything else is the version's. */
  #frozen({ given }: ConfiguredFunction, { record, file }: StoredVersion): ResolvedFunction {
    const folder = this.#parts.versionFolder(record.name, record.version);
    const { name, handler, runtime, timeoutSeconds, memoryMb, environment, tags, description } = record;
    const code = file === undefined ? folder : `${folder}/${file}`;
    const { concurrency, freeze } = given;
    const frozen = { name, handler, runtime, timeoutSeconds, memoryMb, environment, tags, description };
    return resolveFunction({ ...frozen, code, concurrency, freeze }, folder, record.version);
  }

  #merge(given: FunctionSpec): ConfiguredFunction {
    const { baseDir } = this.#parts;
    const fingerprint = fingerprintOf({ ...given, code: relative(baseDir, resolve(baseDir, given.code)) });
    const stored = this.#parts.records.functions.get(given.name);
    const changed = stored?.created === undefined && stored?.fingerprint === fingerprint ? stored : undefined;
    const { description, memoryMb, timeoutSeconds, environment } = changed?.changes ?? {};
    const spec = {
      ...given,
      ...(description === undefined ? {} : { description }),
      ...(memoryMb === undefined ? {} : { memoryMb }),
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
      ...(environment === undefined ? {} : { environment }),
      ...(changed?.tags === undefined ? {} : { tags: changed.tags }),
    };
    return { given, fingerprint, spec, resolved: resolveFunction(spec, baseDir) };
  }

  #missing(name: string): PlatformError {
    const created = this.#parts.records.functions.get(name)?.created;
    return created === undefined ? this.unknown(name) : doesNotExecute(created);
  }
}

function doesNotExecute({ name }: FunctionRecord): PlatformError {
  const what = `Function "${name}" was created through the API and does not execute here; only those of the configuration do.`;
  return new PlatformError('FUNCTION_FAILED', `${what} Add it under "functions" in the configuration.`, {
    function: name,
  });
}

function chooseVersion(alias: StoredAlias, random: () => number): string {
  const [other] = Object.entries(alias.weights);
  return other !== undefined && random() < other[1] ? other[0] : alias.functionVersion;
}

/** The same for the same configuration, wherever its folder lies and in whatever order it is written. */
export function fingerprintOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
