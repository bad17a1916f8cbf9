/** Which workflows there are: a tenant's own and those that ship with the product, each in versions that stay. */

import { hash } from 'node:crypto';
import type { AuditEntry, AuditTrail, Author } from '../../audit/audit-trail.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Clock, Item, JsonValue, StoreRoot, TenantStore, Write } from '../../core/ports.ts';
import { numberText, textAt } from '../durable/tables.ts';
import type { CodeWorkflow } from './code-workflow.ts';
import { CODE } from './code-workflow.ts';
import type { ExecutionRow } from './execution-row.ts';
import { checkedWorkflowName } from './names.ts';
import { WORKFLOWS } from './tables.ts';
import type { PreparedWorkflow, WorkflowInfo, WorkflowKind, WorkflowRegistration } from './workflow-engine.ts';
import { BUILT_IN } from './workflow-engine.ts';

/** Definitions that stay prepared. */
const MAX_PREPARED = 500;
/** Of a definition as JSON text: what Step Functions takes, 1 MB, does not fit an item of 400 KB. */
const MAX_DEFINITION_BYTES = 350 * 1024;

export interface Resolved {
  readonly info: WorkflowInfo;
  readonly prepared: PreparedWorkflow;
}

export interface RegistryParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly kinds: readonly WorkflowKind[];
  /** Workflows in code, for every tenant. */
  readonly code: readonly CodeWorkflow[];
  readonly audit?: AuditTrail | undefined;
}

export class WorkflowRegistry {
  readonly #parts: RegistryParts;
  readonly #code: ReadonlyMap<string, CodeWorkflow>;
  /** By kind and definition. */
  readonly #prepared = new Map<string, PreparedWorkflow>();
  /** By owner, name and version, whose definition never changes. */
  readonly #versions = new Map<string, PreparedWorkflow>();
  readonly #startedAtMs: number;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#code = new Map(parts.code.map((workflow) => [workflow.name, workflow]));
    this.#startedAtMs = parts.clock.nowMs();
  }

  /** @throws PlatformError as `WorkflowEngine.register`. */
  async register(owner: string, registration: WorkflowRegistration, by?: Author): Promise<WorkflowInfo> {
    const name = checkedWorkflowName(registration.name);
    if (this.#code.has(name) || (owner !== BUILT_IN && (await this.#newest(BUILT_IN, name)) !== undefined))
      throw new PlatformError('WORKFLOW_EXISTS', `Workflow "${name}" ships with the product. Choose another name.`, {
        workflow: name,
      });
    const { hash: definitionHash } = this.#prepare(registration.kind, checkedDefinition(registration));
    for (;;) {
      const newest = await this.#newest(owner, name);
      const same = registration.version === undefined ? newest : await this.#stored(owner, name, registration.version);
      if (same?.hash === definitionHash) return same;
      if (same !== undefined && registration.version !== undefined) throw taken(name, registration.version);
      const version = registration.version ?? (newest?.version ?? 0) + 1;
      const info = this.#info(owner, { ...registration, version }, definitionHash);
      if (await this.#put(info, newest, by)) return info;
    }
  }

  async list(tenant: string): Promise<readonly WorkflowInfo[]> {
    const [own, shared] = await Promise.all([this.#allNewest(tenant), this.#allNewest(BUILT_IN)]);
    const code = [...this.#code.values()].map((workflow) => this.#codeInfo(workflow));
    return [...own, ...shared, ...code].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws PlatformError `NOT_FOUND`. */
  async get(tenant: string, name: string, version?: number): Promise<WorkflowInfo> {
    const code = this.#code.get(name);
    if (code !== undefined && (version === undefined || version === this.#codeInfo(code).version))
      return this.#codeInfo(code);
    for (const owner of [tenant, BUILT_IN]) {
      const info = version === undefined ? await this.#newest(owner, name) : await this.#stored(owner, name, version);
      if (info !== undefined) return info;
    }
    throw unknown(name, version);
  }

  /** Newest first. @throws PlatformError `NOT_FOUND`. */
  async versions(tenant: string, name: string): Promise<readonly number[]> {
    const { owner, kind, version } = await this.get(tenant, name);
    if (kind === CODE) return [version];
    const versions: number[] = [];
    // Rows of versions are numbers in text; the pointer to the newest comes after them.
    const query = { partition: name, to: numberText(999_999_999), descending: true };
    let page = await this.#store(owner).table(WORKFLOWS).query(query);
    for (;;) {
      versions.push(...page.items.map((item) => infoOf(item, owner).version));
      if (page.cursor === undefined) return versions;
      page = await this.#store(owner)
        .table(WORKFLOWS)
        .query({ ...query, cursor: page.cursor });
    }
  }

  /** @throws PlatformError `NOT_FOUND`, and what the kind says of a definition that it no longer takes. */
  async resolve(tenant: string, name: string, version?: number): Promise<Resolved> {
    const info = await this.get(tenant, name, version);
    return { info, prepared: this.#preparedOf(info) };
  }

  /**
   * What continues an execution.
   *
   * @throws PlatformError `WORKFLOW_CHANGED` when it is no longer what the execution began with.
   */
  async continuing(row: ExecutionRow): Promise<PreparedWorkflow> {
    const prepared = await this.present(row);
    if (prepared.hash === row.hash && (row.kind === CODE || prepared.version === row.kindVersion)) return prepared;
    throw changed(row, prepared);
  }

  /** What an execution's workflow is now, whatever it was. @throws PlatformError `NOT_FOUND`. */
  async present(row: ExecutionRow): Promise<PreparedWorkflow> {
    const code = this.#code.get(row.workflow);
    if (row.kind === CODE) {
      if (code === undefined) throw unknown(row.workflow, row.version);
      return code.prepared;
    }
    const known = this.#versions.get(versionKey(row.owner, row.workflow, row.version));
    if (known !== undefined) return known;
    const info = await this.#stored(row.owner, row.workflow, row.version);
    if (info === undefined) throw unknown(row.workflow, row.version);
    return this.#preparedOf(info);
  }

  #preparedOf({ owner, name, version, kind, definition }: WorkflowInfo): PreparedWorkflow {
    const code = kind === CODE ? this.#code.get(name) : undefined;
    if (code !== undefined) return code.prepared;
    const key = versionKey(owner, name, version);
    const prepared = this.#versions.get(key) ?? this.#prepare(kind, definition ?? null);
    keep(this.#versions, key, prepared);
    return prepared;
  }

  #prepare(kind: string, definition: JsonValue): PreparedWorkflow {
    const key = `${kind} ${hash('sha256', JSON.stringify(definition), 'base64url')}`;
    const known = this.#prepared.get(key);
    if (known !== undefined) return known;
    const found = this.#parts.kinds.find((each) => each.kind === kind);
    if (found === undefined) throw unknownKind(kind, this.#parts.kinds);
    const prepared = found.prepare(definition);
    keep(this.#prepared, key, prepared);
    return prepared;
  }

  #info(owner: string, registration: WorkflowRegistration & { version: number }, definitionHash: string): WorkflowInfo {
    return { ...registration, owner, hash: definitionHash, createdAtMs: this.#parts.clock.nowMs() };
  }

  #codeInfo({ name, version = 1, description, prepared }: CodeWorkflow): WorkflowInfo {
    const info = { name, version, kind: CODE, owner: BUILT_IN, hash: prepared.hash, createdAtMs: this.#startedAtMs };
    return { ...info, ...(description !== undefined && { description }) };
  }

  /** @returns false when somebody else registered meanwhile. */
  async #put(info: WorkflowInfo, newest: WorkflowInfo | undefined, by: Author | undefined): Promise<boolean> {
    const item = infoItem(info);
    const isNewest = newest === undefined || info.version > newest.version;
    // Two rows: the version itself, and the one that lists find.
    const pointer = { ...item, version: 'newest', newestOf: 'all' };
    const before = newest === undefined ? { exists: false } : { equals: { number: newest.version } };
    const writes: Write[] = [
      { table: WORKFLOWS, put: item, condition: { exists: false } },
      ...(isNewest ? [{ table: WORKFLOWS, put: pointer, condition: before }] : []),
    ];
    const { audit } = this.#parts;
    try {
      if (audit === undefined || by === undefined) await this.#store(info.owner).transact(writes);
      else await audit.commit(info.owner, writes, [entryOf(info, by)]);
      return true;
    } catch (thrown) {
      if (thrown instanceof PlatformError && thrown.code === 'CONDITION_FAILED') return false;
      throw thrown;
    }
  }

  async #newest(owner: string, name: string): Promise<WorkflowInfo | undefined> {
    const item = await this.#store(owner).table(WORKFLOWS).get({ name, version: 'newest' });
    return item === undefined ? undefined : infoOf(item, owner);
  }

  async #stored(owner: string, name: string, version: number): Promise<WorkflowInfo | undefined> {
    const item = await this.#store(owner)
      .table(WORKFLOWS)
      .get({ name, version: numberText(version) });
    return item === undefined ? undefined : infoOf(item, owner);
  }

  async #allNewest(owner: string): Promise<readonly WorkflowInfo[]> {
    const found: WorkflowInfo[] = [];
    const query = { index: 'newest', partition: 'all' };
    let page = await this.#store(owner).table(WORKFLOWS).query(query);
    for (;;) {
      found.push(...page.items.map((item) => infoOf(item, owner)));
      if (page.cursor === undefined) return found;
      page = await this.#store(owner)
        .table(WORKFLOWS)
        .query({ ...query, cursor: page.cursor });
    }
  }

  #store(owner: string): TenantStore {
    return this.#parts.store.store(owner);
  }
}

function versionKey(owner: string, name: string, version: number): string {
  return `${owner}#${name}#${version}`;
}

/** The oldest goes when there are too many. */
function keep(kept: Map<string, PreparedWorkflow>, key: string, prepared: PreparedWorkflow): void {
  if (kept.has(key)) return;
  for (const oldest of kept.keys()) {
    if (kept.size < MAX_PREPARED) break;
    kept.delete(oldest);
  }
  kept.set(key, prepared);
}

function entryOf({ name, version, kind, hash: definitionHash }: WorkflowInfo, by: Author): AuditEntry {
  const details = { version, kind, definition: definitionHash };
  return { ...by, action: 'workflow-registered', resource: { type: 'workflow', id: name }, details };
}

function infoItem({ owner: _owner, version, definition, ...info }: WorkflowInfo): Item {
  const { description, ...rest } = info;
  return {
    ...rest,
    ...(description !== undefined && { description }),
    version: numberText(version),
    number: version,
    definition: JSON.stringify(definition ?? null),
  };
}

function infoOf(item: Item, owner: string): WorkflowInfo {
  const { number, createdAtMs, description } = item;
  return {
    name: textAt(item, 'name'),
    version: Number(number),
    kind: textAt(item, 'kind'),
    owner,
    hash: textAt(item, 'hash'),
    createdAtMs: Number(createdAtMs),
    ...(typeof description === 'string' && { description }),
    definition: JSON.parse(textAt(item, 'definition')) as JsonValue,
  };
}

function checkedDefinition({ name, version, definition }: WorkflowRegistration): JsonValue {
  if (version !== undefined && !(Number.isInteger(version) && version > 0 && version < 1_000_000))
    throw new PlatformError('INVALID_ARGUMENTS', `The version of workflow "${name}" must be a whole number from 1.`);
  const bytes = Buffer.byteLength(JSON.stringify(definition));
  if (bytes <= MAX_DEFINITION_BYTES) return definition;
  throw new PlatformError(
    'PAYLOAD_TOO_LARGE',
    `The definition of workflow "${name}" has ${bytes} bytes, and at most ${MAX_DEFINITION_BYTES} are stored.`,
    { workflow: name },
  );
}

function unknown(name: string, version: number | undefined): PlatformError {
  const what = version === undefined ? `workflow "${name}"` : `version ${version} of workflow "${name}"`;
  return new PlatformError('NOT_FOUND', `There is no ${what}.`, { workflow: name });
}

function unknownKind(kind: string, kinds: readonly WorkflowKind[]): PlatformError {
  const known = kinds.map((each) => `"${each.kind}"`).join(', ');
  return new PlatformError('INVALID_ARGUMENTS', `Workflows of the kind "${kind}" cannot be run; there are ${known}.`);
}

function taken(name: string, version: number): PlatformError {
  return new PlatformError(
    'WORKFLOW_EXISTS',
    `Version ${version} of workflow "${name}" is another definition. Register without a version to get the next one.`,
    { workflow: name, version },
  );
}

function changed(row: ExecutionRow, prepared: PreparedWorkflow): PlatformError {
  const words = ({ hash: text, version }: { hash: string; version: string }): string =>
    `${version} (${text.slice(0, 12)})`;
  const [began, now] = [words({ hash: row.hash, version: row.kindVersion }), words(prepared)];
  return new PlatformError(
    'WORKFLOW_CHANGED',
    `Execution "${row.id}" began with version ${began} of workflow "${row.workflow}", and this instance has ${now}. Start the earlier one again, let the new one declare the same version when it takes the same steps, or redrive the execution on the new one.`,
    { execution: row.id, began, now },
  );
}
