/** Runs the program in this process for tests: words in, exit code and both streams out. */

import type { CliContext, Terminal } from './command.ts';
import { runCli } from './program.ts';

export interface TestRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Lines typed at the terminal; without it there is none. */
  readonly answers?: readonly string[];
  readonly stdin?: string;
  readonly interrupted?: AbortSignal;
  /** Told of everything written, as it is written. */
  readonly onWrite?: (stream: 'stdout' | 'stderr', text: string) => void;
}

export async function runForTest(words: readonly string[], options: TestOptions): Promise<TestRun> {
  const written = { stdout: '', stderr: '' };
  const code = await runCli(
    words,
    testContext(options, (stream, text) => {
      written[stream] += text;
      options.onWrite?.(stream, text);
    }),
  );
  return { code, ...written };
}

export function testContext(options: TestOptions, write: Terminal['write']): CliContext {
  const answers = [...(options.answers ?? [])];
  return {
    cwd: options.cwd,
    env: options.env ?? {},
    version: '1.2.3',
    interrupted: options.interrupted ?? new AbortController().signal,
    terminal: {
      write,
      canAsk: options.answers !== undefined,
      colour: false,
      columns: 100,
      ask: (question) => {
        write('stderr', question);
        return Promise.resolve(answers.shift());
      },
      readStdin: () => Promise.resolve(options.stdin ?? ''),
      onKey: () => undefined,
    },
  };
}
