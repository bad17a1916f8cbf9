/** Where an execution's journal is: up to which record it reaches, and who may write the next. */

import { hash } from 'node:crypto';

export interface Head {
  /** Names the process that wrote the newest record. Another one takes over by writing the next. */
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

/** A record moved to another execution does not fit there. */
export function firstSum(tenant: string, execution: string): string {
  return hash('sha256', `${tenant}\n${execution}`, 'base64url');
}

export function entrySum(before: string, sequence: number, text: string): string {
  return hash('sha256', `${before}\n${sequence}\n${text}`, 'base64url');
}
