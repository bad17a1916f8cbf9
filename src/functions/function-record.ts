/** Functions as the control plane shows them: what is configured, kept and found on disk, put together. */

import { createHash } from 'node:crypto';

import type { FunctionRecord, NewFunction } from '../core/function-control.ts';
import { localFunctionArn } from '../core/lambda-arn.ts';
import { fingerprintOf, LATEST, type ConfiguredFunction, type FunctionCatalog } from './function-catalog.ts';
import type { CodeDigest, CodeDigests } from './function-code.ts';
import { versionKey, type FunctionRecords, type StoredFunction } from './function-records.ts';

/** Lambda wants a role; nothing here takes one. */
const PLACEHOLDER_ROLE = 'arn:aws:iam::000000000000:role/zeroplane';
const CREATED_RUNTIME = 'provided.al2023';

export interface ReaderParts {
  readonly records: FunctionRecords;
  readonly catalog: FunctionCatalog;
  readonly digests: CodeDigests;
}

/** Once the records have been loaded. @throws PlatformError `FUNCTION_NOT_FOUND` of every method that takes a name. */
export class RecordReader {
  readonly #parts: ReaderParts;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** The newest of every function, by name. */
  list(): Promise<readonly FunctionRecord[]> {
    const { catalog, records } = this.#parts;
    const created = [...records.functions.values()].filter((stored) => stored.created !== undefined);
    const names = new Set([...catalog.configuredNames(), ...created.map(({ name }) => name)]);
    return Promise.all([...names].sort().map((name) => this.latest(name)));
  }

  exists(name: string): boolean {
    const { catalog, records } = this.#parts;
    return catalog.configured(name) !== undefined || records.functions.get(name)?.created !== undefined;
  }

  async latest(name: string): Promise<FunctionRecord> {
    const { catalog, records } = this.#parts;
    const configured = catalog.configured(name);
    if (configured !== undefined) return this.#configured(configured);
    const stored = records.functions.get(name);
    if (stored?.created === undefined) throw catalog.unknown(name);
    return { ...stored.created, tags: stored.tags ?? {} };
  }

  version(name: string, version: string): FunctionRecord {
    const { catalog, records } = this.#parts;
    if (!this.exists(name)) throw catalog.unknown(name);
    const stored = records.versions.get(versionKey(name, version));
    if (stored === undefined) throw catalog.unknownQualifier(name, version);
    return this.withTags(stored.record);
  }

  /** Tags belong to the function, whatever its version. */
  withTags(record: FunctionRecord): FunctionRecord {
    const { catalog, records } = this.#parts;
    const configured = catalog.configured(record.name)?.resolved;
    return {
      ...record,
      tags: configured?.tags ?? records.functions.get(record.name)?.tags ?? {},
      executes: configured !== undefined,
    };
  }

  async #configured({ resolved, fingerprint }: ConfiguredFunction): Promise<FunctionRecord> {
    const { name, taskRoot, moduleFile } = resolved;
    const digest = await this.#parts.digests.of({ root: taskRoot, file: moduleFile });
    const stored = this.#parts.catalog.changesOf(name);
    return {
      name,
      runtime: resolved.runtime,
      handler: resolved.handler,
      description: resolved.description,
      memoryMb: resolved.memoryMb,
      timeoutSeconds: resolved.timeoutSeconds,
      environment: resolved.environment,
      tags: resolved.tags,
      concurrency: resolved.concurrency,
      arn: localFunctionArn(name),
      version: LATEST,
      role: stored?.changes.role ?? PLACEHOLDER_ROLE,
      codeSha256: digest.sha256,
      codeSize: digest.size,
      lastModified: lambdaTime(Math.max(digest.newestMs, stored?.modifiedMs ?? 0)),
      revisionId: revisionOf(fingerprint, digest, stored),
      architectures: [process.arch === 'arm64' ? 'arm64' : 'x86_64'],
      packageType: 'Zip',
      layers: [],
      executes: true,
    };
  }
}

/** Changes with the configuration, with the code and with every change of the control plane. */
function revisionOf(fingerprint: string, digest: CodeDigest, stored: StoredFunction | undefined): string {
  const hex = createHash('sha256')
    .update(`${fingerprint}\n${digest.sha256}\n${stored?.revision ?? ''}`)
    .digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

/** What makes two publications the same: everything but names, times and descriptions. */
export function sourceOf(record: FunctionRecord): string {
  const { runtime, handler, role, memoryMb, timeoutSeconds, environment, codeSha256, layers } = record;
  return fingerprintOf({ runtime, handler, role, memoryMb, timeoutSeconds, environment, codeSha256, layers });
}

/** What is kept of an uploaded archive. */
export function codeOf(zip: Uint8Array): Pick<FunctionRecord, 'codeSha256' | 'codeSize'> {
  return { codeSha256: createHash('sha256').update(zip).digest('base64'), codeSize: zip.length };
}

/** The record of a function that is created through the API, with Lambda's defaults. */
export function newRecord(
  input: NewFunction,
  zip: Uint8Array,
  stamp: { readonly now: string; readonly revisionId: string },
): FunctionRecord {
  const { name } = input;
  return {
    name,
    arn: localFunctionArn(name),
    version: LATEST,
    runtime: input.runtime ?? CREATED_RUNTIME,
    handler: input.handler ?? '',
    description: input.description ?? '',
    role: input.role ?? PLACEHOLDER_ROLE,
    memoryMb: input.memoryMb ?? 128,
    timeoutSeconds: input.timeoutSeconds ?? 3,
    environment: input.environment ?? {},
    tags: input.tags ?? {},
    ...codeOf(zip),
    lastModified: stamp.now,
    revisionId: stamp.revisionId,
    architectures: input.architectures ?? ['x86_64'],
    packageType: input.packageType ?? 'Zip',
    layers: input.layers ?? [],
    concurrency: 0,
    executes: false,
  };
}

/** ISO 8601 as Lambda writes it: `2026-11-25T12:00:00.000+0000`. */
export function lambdaTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '+0000');
}
