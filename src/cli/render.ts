/**
 * The one renderer. Results go to stdout and everything else to stderr; in `stream-json` every event is a
 * line of JSON on stdout.
 */

import { ConfigError, formatProblems } from '../config/problems.ts';
import type { ConfigProblem } from '../config/problems.ts';
import { PlatformError, toPlatformError, UpstreamRpcError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { CliEvent, OutputMode, ReadyEvent, ResultEvent, Terminal } from './command.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { COLOURED, PLAIN, printable } from './style.ts';
import type { Style } from './style.ts';

export class Renderer {
  readonly #mode: OutputMode;
  readonly #terminal: Terminal;
  readonly #style: Style;

  constructor(mode: OutputMode, terminal: Terminal) {
    this.#mode = mode;
    this.#terminal = terminal;
    this.#style = terminal.colour ? COLOURED : PLAIN;
  }

  event(event: CliEvent): void {
    if (event.type === 'result' || event.type === 'ready') this.#result(event);
    else if (this.#mode === 'stream-json') this.#json(flat(event));
    else this.#aside(event);
  }

  /** @returns the exit code that the error stands for. */
  error(thrown: unknown): number {
    const { code, message, next, exit, problems, block, lines = [] } = describe(thrown);
    const error = { code, message, next, problems, exitCode: exit };
    if (this.#mode === 'stream-json') this.#json({ type: 'error', ...error });
    if (this.#mode === 'json') this.#terminal.write('stderr', `${JSON.stringify({ error })}\n`);
    else this.#terminal.write('stderr', block ?? this.#errorText(code, [message, ...lines], next));
    return exit;
  }

  #result(event: ResultEvent | ReadyEvent): void {
    if (this.#mode === 'text') this.#terminal.write('stdout', endLine(event.text(this.#style)));
    else if (event.type === 'ready')
      this.#json(this.#mode === 'json' ? event.value : { type: 'ready', ...event.value });
    else this.#resultJson(event);
  }

  #resultJson(event: ResultEvent): void {
    const json = event.json ?? JSON.stringify(event.value) ?? 'null';
    this.#terminal.write('stdout', this.#mode === 'json' ? `${json}\n` : `{"type":"result","value":${json}}\n`);
  }

  #aside(event: Exclude<CliEvent, ResultEvent | ReadyEvent>): void {
    if (event.type === 'step') this.#terminal.write('stderr', `${printable(event.message)}\n`);
    else if (event.type === 'event') {
      if (event.text !== undefined) this.#terminal.write('stderr', `${printable(event.text)}\n`);
    } else
      this.#terminal.write('stderr', `${event.level === 'info' ? '' : `${event.level} `}${printable(event.message)}\n`);
  }

  #errorText(code: string, [message = '', ...lines]: readonly string[], next: string | undefined): string {
    const more = lines.map((line) => `  ${printable(line)}\n`).join('');
    const hint = next === undefined ? '' : `  next: ${printable(next)}\n`;
    return `error ${code}  ${printable(message)}\n${more}${hint}`;
  }

  #json(value: unknown): void {
    this.#terminal.write('stdout', `${JSON.stringify(value)}\n`);
  }
}

function flat(event: Exclude<CliEvent, ResultEvent | ReadyEvent>): unknown {
  return event.type === 'event' ? event.event : event;
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

interface Described {
  readonly code: string;
  readonly message: string;
  /** A command to try. */
  readonly next?: string | undefined;
  readonly exit: number;
  /** Of a configuration or a request that is not valid. */
  readonly problems?: readonly ConfigProblem[] | readonly RequestProblem[] | undefined;
  /** One for each problem, where there are several. */
  readonly lines?: readonly string[];
  /** Ready text, for errors that have a layout of their own. */
  readonly block?: string | undefined;
}

/** As the control plane tells of it. */
interface RequestProblem {
  readonly pointer: string;
  readonly message: string;
  readonly nearest?: string;
  readonly next?: string;
}

function problemLine({ pointer, message, nearest, next }: RequestProblem): string {
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return `${pointer} ${message}${hint}${next === undefined ? '' : ` ${next}`}`;
}

/** What to try when the error itself does not say. */
const NEXT: ReadonlyMap<ErrorCode, string> = new Map([
  ['UNKNOWN_NAME', 'zeroplane tools ls'],
  ['INSTANCE_NOT_RUNNING', 'zeroplane dev'],
  ['UNAUTHENTICATED', 'zeroplane doctor'],
  ['TARGET_UNAVAILABLE', 'zeroplane status'],
  ['TARGET_BREAKER_OPEN', 'zeroplane status'],
  ['TARGET_TIMEOUT', 'zeroplane status'],
]);

function describe(thrown: unknown): Described {
  if (thrown instanceof UpstreamRpcError) {
    return { code: String(thrown.rpcCode), message: thrown.message, exit: EXIT.failed };
  }
  const error = toPlatformError(thrown);
  if (error.code === 'INTERNAL' && !(thrown instanceof PlatformError)) {
    const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    return { code: error.code, message: text, exit: EXIT.failed };
  }
  const { next, block, problems: told } = error.details;
  const problems = thrown instanceof ConfigError ? thrown.problems : undefined;
  const ofRequest = Array.isArray(told) ? (told as RequestProblem[]) : [];
  return {
    code: error.code,
    message: error.message,
    lines: ofRequest.length > 1 ? ofRequest.map(problemLine) : [],
    next: typeof next === 'string' ? next : NEXT.get(error.code),
    exit: exitCodeOf(error.code),
    problems: problems ?? (ofRequest.length > 0 ? ofRequest : undefined),
    block: problems !== undefined ? formatProblems(problems) : typeof block === 'string' ? block : undefined,
  };
}
