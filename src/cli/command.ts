/**
 * What a verb is: data that says how it reads and what it takes, and a handler that yields typed events.
 * Handlers know no terminal; `render.ts` turns their events into text or JSON.
 */

import type { Style } from './style.ts';

export type OutputMode = 'text' | 'json' | 'stream-json';

interface ArgumentSpec {
  /** `<name>`, `[name]` or `[names...]`, as usage lines write it. */
  readonly syntax: string;
  readonly description: string;
}

export interface OptionSpec {
  /** `--port <number>`, `-q, --quiet`, `--no-open`. */
  readonly flags: string;
  readonly description: string;
  readonly choices?: readonly string[];
  readonly default?: string;
  /** May be given several times. */
  readonly repeats?: boolean;
}

interface ExampleSpec {
  readonly command: string;
  readonly meaning: string;
}

export interface CommandSpec {
  /** `['tools', 'ls']`. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  readonly examples: readonly ExampleSpec[];
  /** The verb ends by itself after an interruption; others are ended for it. */
  readonly endsItself?: boolean;
  /** Imports the handler, so that a verb pays for nothing but itself. */
  readonly load: () => Promise<Handler>;
}

/** Events of a running verb. `result` and `ready` go to stdout, the rest to stderr unless the mode is `stream-json`. */
export type CliEvent =
  | { readonly type: 'step'; readonly message: string }
  | { readonly type: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly message: string }
  | { readonly type: 'event'; readonly event: Readonly<Record<string, unknown>>; readonly text?: string }
  | ResultEvent
  | ReadyEvent;

export interface ResultEvent {
  readonly type: 'result';
  readonly value: unknown;
  /** The value as JSON text, where parsing it would change it (numbers beyond 2^53). */
  readonly json?: string;
  readonly text: (style: Style) => string;
}

/** A server is up. In `stream-json` its fields stand beside `type`, in this order. */
export interface ReadyEvent {
  readonly type: 'ready';
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: (style: Style) => string;
}

export type Handler = (invocation: Invocation, context: CliContext) => AsyncGenerator<CliEvent, number | undefined>;

/** Where a verb runs. Everything from outside comes through here, so that tests can hand in their own. */
export interface CliContext {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
  readonly terminal: Terminal;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP; `reason` is the signal's name. */
  readonly interrupted: AbortSignal;
}

export interface Terminal {
  write(stream: 'stdout' | 'stderr', text: string): void;
  /** Somebody can answer: stdin and stderr are terminals and no CI runs us. */
  readonly canAsk: boolean;
  /** Colours for stdout are wanted. */
  readonly colour: boolean;
  readonly columns: number;
  /** Asks for one line on stderr. `undefined` at the end of input. */
  ask(question: string): Promise<string | undefined>;
  readStdin(): Promise<string>;
  /** What arrives on stdin, for verbs that talk to a program. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Bytes that the reader of stdout has not taken yet. */
  unwritten?(): number;
  /** Calls back for each key in raw mode until the returned function is called; `undefined` without a terminal. */
  onKey(listener: (key: string) => void): (() => void) | undefined;
}

/** The words and flags a verb was called with. Values are text; a flag that was not given has none. */
export class Invocation {
  readonly words: readonly string[];
  readonly output: OutputMode;
  readonly #options: ReadonlyMap<string, unknown>;

  constructor(words: readonly string[], options: ReadonlyMap<string, unknown>, output: OutputMode) {
    this.words = words;
    this.output = output;
    this.#options = options;
  }

  /** The first word, which usage has already made sure of. */
  get word(): string {
    return this.words[0] ?? '';
  }

  text(name: string): string | undefined {
    const value = this.#options.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  /** Every value of an option that may be given several times. */
  texts(name: string): readonly string[] {
    const values = this.#options.get(name);
    return Array.isArray(values) ? (values as readonly string[]) : [];
  }

  isSet(name: string): boolean {
    return this.#options.get(name) === true;
  }
}

export function result(value: unknown, text: string | ((style: Style) => string)): ResultEvent {
  return { type: 'result', value, text: typeof text === 'string' ? () => text : text };
}
