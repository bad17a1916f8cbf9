/** The small files beside the store: the token, the sealing key, and the note that tells other programs who runs. */

import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes a file that only its owner can read, whole or not at all. */
function writePrivate(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}

function readOrMake(path: string, make: () => string): string {
  if (existsSync(path)) {
    // Copies and editors can widen the mode; it is a secret again from here on.
    chmodSync(path, 0o600);
    const text = readFileSync(path, 'utf8').trim();
    if (text !== '') return text;
  }
  const made = make();
  writePrivate(path, `${made}\n`);
  return made;
}

/** The development token; the same after a restart. */
export function developmentToken(folder: string): string {
  return readOrMake(join(folder, 'token'), () => `zp_${randomBytes(24).toString('base64url')}`);
}

/** 32 bytes that seal sessions and cursors; the same after a restart, so that clients go on. */
export function sealingKey(folder: string): Uint8Array {
  const text = readOrMake(join(folder, 'sealing-key'), () => randomBytes(32).toString('base64url'));
  const key = Buffer.from(text, 'base64url');
  return key.length === 32 ? key : randomBytes(32);
}

export interface InstanceNote {
  readonly pid: number;
  readonly url: string;
  readonly token: string;
  /** Addresses of the local stand-ins for clouds. */
  readonly clouds: { readonly aws: string };
}

export function writeInstanceNote(folder: string, note: InstanceNote): void {
  writePrivate(join(folder, 'instance.json'), `${JSON.stringify(note)}\n`);
}

export function removeInstanceNote(folder: string): void {
  rmSync(join(folder, 'instance.json'), { force: true });
}
