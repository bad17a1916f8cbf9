#!/usr/bin/env node
/**
 * The program `zeroplane`. It only gathers what a verb needs from the process (words, environment, terminal,
 * signals) and gives the exit code back; verbs are imported when they are asked for.
 */

import { readFileSync } from 'node:fs';
import { runCli } from './program.ts';
import { processTerminal } from './terminal.ts';

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** The first signal asks the verb to end, the second ends the process. */
function watchSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + SIGNAL_NUMBERS[name]);
      controller.abort(name);
    });
  }
  return controller.signal;
}

/** Output to a pipe is written later; exiting before would lose it. */
function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write('', () => resolve());
  });
}

const exitCode = await runCli(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  version: packageVersion(),
  terminal: processTerminal(process.env),
  interrupted: watchSignals(),
});
await Promise.all([flush(process.stdout), flush(process.stderr)]);
process.exit(exitCode);
