/** Runs an installer to its end, without a shell, with the last of its output for the message. */

import { spawn } from 'node:child_process';
import { PlatformError } from '../core/errors.ts';

const MAX_OUTPUT = 4_000;

export interface ProgramOptions {
  readonly cwd: string;
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  /** What to do when the program is not installed. */
  readonly missing: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns what it wrote to stdout.
 * @throws PlatformError `TARGET_UNAVAILABLE`: it is not installed, or it failed; with its last words.
 */
export function runProgram(command: string, args: readonly string[], options: ProgramOptions): Promise<string> {
  const { cwd, env, missing, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], signal });
    let out = '';
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString('utf8')}`.slice(-MAX_OUTPUT)));
    child.once('error', (error: NodeJS.ErrnoException) => {
      const what =
        error.code === 'ENOENT'
          ? `"${command}" is not installed. ${missing}`
          : `"${command}" cannot be run: ${error.message}.`;
      reject(new PlatformError('TARGET_UNAVAILABLE', what, { command }, { cause: error }));
    });
    child.once('close', (code) => {
      if (code === 0) {
        resolve(out);
        return;
      }
      const words = `${said}\n${out}`.trim().split('\n').slice(-12).join('\n');
      const line = [command, ...args].join(' ').slice(0, 200);
      reject(new PlatformError('TARGET_UNAVAILABLE', `${line} failed with exit code ${code}:\n${words}`, { command }));
    });
  });
}
