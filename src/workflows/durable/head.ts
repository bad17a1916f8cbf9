/** The head of an execution's journal: up to where it reaches, and who may write it. */

import { hash } from 'node:crypto';
import type { Item } from '../../core/ports.ts';
import { textAt } from './tables.ts';

export const HEAD_ROW = 'head';

export interface Head {
  /** Names the process that may write; a write under another name fails. */
  readonly fence: string;
  /** Of the newest record, from 1; 0 before the first. */
  readonly sequence: number;
  /** Runs through all records. */
  readonly sum: string;
  /** Operations ever started. */
  readonly started: number;
  /** Bytes ever written. */
  readonly bytes: number;
  /** Id of the newest event. */
  readonly events: number;
  /** Sequence that the snapshot stands for, 0 without one. */
  readonly snapshot: number;
}

export function headItem(execution: string, head: Head): Item {
  return { execution, row: HEAD_ROW, ...head };
}

export function headOf(item: Item): Head {
  const number = (name: string): number => Number(item[name]);
  return {
    fence: textAt(item, 'fence'),
    sequence: number('sequence'),
    sum: textAt(item, 'sum'),
    started: number('started'),
    bytes: number('bytes'),
    events: number('events'),
    snapshot: number('snapshot'),
  };
}

/** A record moved to another execution does not fit there. */
export function firstSum(tenant: string, execution: string): string {
  return hash('sha256', `${tenant}\n${execution}`, 'base64url');
}

export function entrySum(before: string, sequence: number, text: string): string {
  return hash('sha256', `${before}\n${sequence}\n${text}`, 'base64url');
}
