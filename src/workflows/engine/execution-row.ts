/** An execution as it is stored for those who ask: who started what, when, and how it ended. */

import type { Principal, Role } from '../../core/context.ts';
import type { Item, JsonValue, TenantStore, Write } from '../../core/ports.ts';
import { joinTexts, writeText } from '../durable/parts.ts';
import { timeText } from '../durable/tables.ts';
import { EXECUTIONS, VALUES } from './tables.ts';
import type { ExecutionDescription, ExecutionStatus, ExecutionSummary } from './workflow-engine.ts';

/** Longer values lie beside the item, which holds 400 KB. */
const INLINE = 40_000;

/** Who is told of the end: an operation of another execution. */
export interface Waiter {
  readonly execution: string;
  readonly operation: string;
  readonly as: 'CALLBACK' | 'CHAINED_INVOKE';
  /** Which redrive of that execution waits. @default 0 */
  readonly redrive?: number;
}

export interface ExecutionRow {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly workflow: string;
  readonly version: number;
  readonly kind: string;
  /** Of the workflow. */
  readonly owner: string;
  /** Of the definition and of what understands it, as they were when the execution began. */
  readonly hash: string;
  readonly kindVersion: string;
  readonly status: ExecutionStatus;
  readonly startedAtMs: number;
  readonly stoppedAtMs?: number;
  readonly input: StoredValue;
  readonly output?: StoredValue;
  readonly error?: string;
  readonly cause?: string;
  readonly failedPath?: string;
  readonly principal: StoredPrincipal;
  readonly timeoutSeconds?: number;
  readonly deadlineAtMs?: number;
  readonly redriveCount: number;
  readonly traceparent?: string;
  readonly waiter?: Waiter;
}

export interface StoredPrincipal {
  readonly id: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly claims?: { readonly [name: string]: JsonValue };
}

/** JSON text, or in how many rows it lies. */
export interface StoredValue {
  readonly text?: string;
  readonly parts?: number;
  /** Of the text, so that two may be compared. */
  readonly sum: string;
}

export function rowItem(row: ExecutionRow): Item {
  return {
    ...(row as unknown as Item),
    scope: 'all',
    workflowStatus: `${row.workflow} ${row.status}`,
    startedAt: `${timeText(row.startedAtMs)} ${row.id}`,
  };
}

export function rowOf(item: Item): ExecutionRow {
  return item as unknown as ExecutionRow;
}

export async function readRow(store: TenantStore, id: string): Promise<ExecutionRow | undefined> {
  const item = await store.table(EXECUTIONS).get({ id });
  return item === undefined ? undefined : rowOf(item);
}

/** A value for the row, and what lies beside it. */
export function storeValue(
  execution: string,
  name: 'input' | 'output',
  { text, sum }: { readonly text: string; readonly sum: string },
): { readonly value: StoredValue; readonly writes: readonly Write[] } {
  if (text.length <= INLINE) return { value: { text, sum }, writes: [] };
  const writes = writeText({ table: VALUES, execution, row: name, text });
  return { value: { parts: writes.length, sum }, writes };
}

export async function readValue(
  store: TenantStore,
  execution: string,
  name: 'input' | 'output',
  value: StoredValue,
): Promise<string> {
  if (value.text !== undefined) return value.text;
  const page = await store.table(VALUES).query({ partition: execution, prefix: `${name}.` });
  const [found] = joinTexts(page.items);
  return found?.text ?? 'null';
}

/** What goes with the last trace of an execution. */
export function removals(row: ExecutionRow): readonly Write[] {
  const parts = (name: 'input' | 'output'): Write[] =>
    Array.from({ length: row[name]?.parts ?? 0 }, (_unused, part) => ({
      table: VALUES,
      delete: { execution: row.id, row: `${name}.${String(part).padStart(9, '0')}` },
    }));
  return [{ table: EXECUTIONS, delete: { id: row.id } }, ...parts('input'), ...parts('output')];
}

export function storedPrincipal({ id, roles, scopes, claims }: Principal): StoredPrincipal {
  const kept = claims === undefined ? undefined : (JSON.parse(JSON.stringify(claims)) as StoredPrincipal['claims']);
  return { id, roles, scopes, ...(kept !== undefined && { claims: kept }) };
}

export function principalOf({ tenant, principal }: ExecutionRow): Principal {
  const { id, roles, scopes, claims } = principal;
  return { id, tenant, roles: roles as readonly Role[], scopes, ...(claims !== undefined && { claims }) };
}

export function summaryOf(row: ExecutionRow): ExecutionSummary {
  const { id, name, workflow, version, status, startedAtMs, stoppedAtMs } = row;
  return { id, name, workflow, version, status, startedAtMs, ...(stoppedAtMs !== undefined && { stoppedAtMs }) };
}

export async function descriptionOf(store: TenantStore, row: ExecutionRow): Promise<ExecutionDescription> {
  const { error, cause, deadlineAtMs, traceparent, output } = row;
  const read = async (name: 'input' | 'output', value: StoredValue): Promise<JsonValue> =>
    JSON.parse(await readValue(store, row.id, name, value)) as JsonValue;
  return {
    ...summaryOf(row),
    tenant: row.tenant,
    startedBy: row.principal.id,
    input: await read('input', row.input),
    ...(output !== undefined && { output: await read('output', output) }),
    ...(error !== undefined && { error }),
    ...(cause !== undefined && { cause }),
    redriveCount: row.redriveCount,
    ...(deadlineAtMs !== undefined && { deadlineAtMs }),
    ...(traceparent !== undefined && { traceparent }),
  };
}
