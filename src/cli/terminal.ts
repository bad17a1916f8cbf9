/** The real terminal: the process's own streams, with prompts and keys only where somebody sits. */

import { createInterface } from 'node:readline/promises';
import type { Terminal } from './command.ts';

type KeyListener = (key: string) => void;

/** A reader that closed its end (`| head`) is no error: there is nobody left to tell. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

export function processTerminal(env: NodeJS.ProcessEnv): Terminal {
  const { stdin, stdout, stderr } = process;
  stdout.on('error', ignoreClosedPipe);
  stderr.on('error', ignoreClosedPipe);
  return {
    write: (stream, text) => void process[stream].write(text),
    canAsk: stdin.isTTY && stderr.isTTY && !isSet(env['CI']),
    colour: wantsColour(env, stdout.isTTY),
    // Some pseudo-terminals say 0.
    columns: stdout.columns > 0 ? stdout.columns : 100,
    ask,
    readStdin: () => readAll(stdin),
    input: stdin,
    unwritten: () => stdout.writableLength,
    onKey: (listener) => (stdin.isTTY && stdout.isTTY ? listenToKeys(stdin, listener) : undefined),
  };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

/** https://no-color.org: any non-empty `NO_COLOR` means none. `FORCE_COLOR` outranks a missing terminal and CI. */
export function wantsColour(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  if (isSet(env['FORCE_COLOR'])) return true;
  return isTerminal && env['TERM'] !== 'dumb' && !isSet(env['CI']);
}

async function ask(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<undefined>((resolve) => {
    lines.once('close', () => resolve(undefined));
  });
  try {
    return await Promise.race([lines.question(question), ended]);
  } finally {
    lines.close();
  }
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

/** In raw mode Ctrl-C is a key, not a signal, so it is turned back into one. */
function listenToKeys(stdin: NodeJS.ReadStream, listener: KeyListener): () => void {
  const onData = (data: Buffer): void => {
    for (const key of data.toString('utf8')) {
      if (key === '\u0003') process.kill(process.pid, 'SIGINT');
      else listener(key);
    }
  };
  stdin.setRawMode(true);
  stdin.on('data', onData);
  stdin.resume();
  return () => {
    stdin.off('data', onData);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
