/** One record of a journal: what changed in one commit, and where the journal was after it. */

import { PlatformError } from '../../core/errors.ts';
import type { Item, Write } from '../../core/ports.ts';
import { shellWord } from '../../core/shell-word.ts';
import type { Head } from './head.ts';
import { entrySum } from './head.ts';
import type { StoredEvent } from './history-log.ts';
import type { StoredOperation } from './operation.ts';
import type { PackedEvents } from './packed-events.ts';
import { packEvents, unpackEvents } from './packed-events.ts';
import type { ReadText } from './parts.ts';
import { writeText } from './parts.ts';
import { JOURNAL, numberText, textAt } from './tables.ts';

export interface JournalRecord {
  /** Operations in their new state. */
  readonly o: readonly StoredOperation[];
  /** Ids of operations that were removed. */
  readonly d?: readonly string[];
  readonly h?: PackedEvents;
  /** `started`, `bytes`, `events` and `snapshot` of the head. */
  readonly n: readonly [number, number, number, number];
}

export interface Contents {
  readonly operations: readonly StoredOperation[];
  readonly removed?: readonly string[];
  readonly events: readonly StoredEvent[];
}

/** The next record and the head that it leads to. */
export function nextRecord(
  execution: string,
  head: Head,
  { operations, removed = [], events }: Contents,
): { readonly next: Head; readonly writes: readonly Write[] } {
  const sequence = head.sequence + 1;
  const packed = packEvents(events);
  const record: JournalRecord = {
    o: operations,
    ...(removed.length > 0 && { d: removed }),
    ...(packed !== undefined && { h: packed }),
    n: [head.started, head.bytes, head.events, head.snapshot],
  };
  const text = JSON.stringify(record);
  const sum = entrySum(head.sum, sequence, text);
  const more = { sum, fence: head.fence };
  const writes = writeText({ table: JOURNAL, execution, row: recordRow(sequence), text, more });
  return { next: { ...head, sequence, sum }, writes };
}

export function recordRow(sequence: number): string {
  return `c${numberText(sequence)}`;
}

export function snapshotRow(sequence: number): string {
  return `s${numberText(sequence)}`;
}

/** @throws PlatformError `JOURNAL_CORRUPT`. */
export function parseRecord(execution: string, text: string): JournalRecord {
  try {
    return JSON.parse(text) as JournalRecord;
  } catch {
    throw corrupt(execution, 'a record is no JSON');
  }
}

/** The events of a record. */
export function eventsIn({ h }: JournalRecord): readonly StoredEvent[] {
  return unpackEvents(h);
}

/** The head after a record. */
export function headAfter(
  { n: [started, bytes, events, snapshot] }: JournalRecord,
  of: { readonly sequence: number; readonly first: Item },
): Head {
  const { sequence, first } = of;
  return { fence: textAt(first, 'fence'), sequence, sum: textAt(first, 'sum'), started, bytes, events, snapshot };
}

/** @throws PlatformError `JOURNAL_CORRUPT` unless it is the record of this place, as it was written. */
export function checkRecord(
  execution: string,
  found: ReadText | undefined,
  { sequence, before }: { readonly sequence: number; readonly before: string },
): ReadText {
  if (found?.row !== recordRow(sequence)) throw corrupt(execution, `record ${sequence} is missing or incomplete`);
  if (entrySum(before, sequence, found.text) !== found.first['sum'])
    throw corrupt(execution, `record ${sequence} is not what was written`);
  return found;
}

/** @param place what the command that repairs it has to be told, as far as it is known. */
export function corrupt(
  execution: string,
  damage: string,
  { tenant, dataDir }: { readonly tenant?: string; readonly dataDir?: string } = {},
): PlatformError {
  const flags = [
    ...(tenant === undefined ? [] : ['--tenant', tenant]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
  ];
  const command = ['zeroplane', 'workflows', 'repair', execution, ...flags].map(shellWord).join(' ');
  return new PlatformError(
    'JOURNAL_CORRUPT',
    `The journal of execution "${execution}" is damaged: ${damage}. Restore the data folder from a backup, or end the execution as failed with: ${command}`,
    { execution, damage, ...(tenant !== undefined && { tenant }) },
  );
}
