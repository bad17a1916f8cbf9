/** A channel over the standard streams of a child: one JSON message per line. */

import type { Channel, ChannelSink } from '../upstream/channel.ts';
import type { ChildEnd, ChildSpec } from './child-process.ts';
import type { Clock } from '../core/ports.ts';
import type { ProcessGuard } from './guard.ts';
import type { OversizedLine } from './line-reader.ts';
import { PlatformError } from '../core/errors.ts';
import { targetUnavailable } from '../upstream/failures.ts';
import { Child } from './child-process.ts';
import { LineReader, oversizedOwner } from './line-reader.ts';

export interface StdioChannelOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly clock: Clock;
  readonly guard: ProcessGuard;
  /** Longest line that is read. @default 6 MiB */
  readonly maxLineBytes?: number;
  /** Most bytes that wait for a child that does not read. @default 32 MiB */
  readonly maxUnreadBytes?: number;
  readonly termAfterMs?: number;
  readonly killAfterMs?: number;
}

const MIB = 1024 * 1024;
/** More lines than this in one piece of output are a flood, which may not have the thread for itself. */
const FLOOD_LINES = 512;
/** What is this long gains nothing from waiting for company. */
const LARGE_CHARACTERS = 32_768;
/** Line ends outside strings are white space; JSON has none inside strings. */
const LINE_END = /[\r\n]/g;

export class StdioChannel implements Channel {
  readonly #options: StdioChannelOptions;
  readonly #child: Child;
  readonly #reader: LineReader;
  readonly #maxUnreadBytes: number;
  #sink: ChannelSink | undefined;
  /** What was sent since the last turn of the event loop: one write for all of it. */
  #outbox = '';
  #flushing = false;
  #ended: Error | undefined;
  #closed = false;

  constructor(spec: ChildSpec, options: StdioChannelOptions) {
    this.#options = options;
    this.#maxUnreadBytes = options.maxUnreadBytes ?? 32 * MIB;
    const maxLineBytes = options.maxLineBytes ?? 6 * MIB;
    this.#reader = new LineReader(
      {
        line: (text) => {
          if (this.#ended === undefined) this.#sink?.message(text);
        },
        invalid: (text) => {
          if (this.#ended === undefined) this.#sink?.unreadable(text, 'a line that is not UTF-8');
        },
        oversized: (line) => this.#oversized(line, maxLineBytes),
      },
      maxLineBytes,
    );
    this.#child = new Child(spec, {
      clock: options.clock,
      guard: options.guard,
      onStdout: (chunk) => {
        this.#read(chunk);
      },
      onEnd: (end) => {
        this.#childEnded(end);
      },
      ...(options.termAfterMs === undefined ? {} : { termAfterMs: options.termAfterMs }),
      ...(options.killAfterMs === undefined ? {} : { killAfterMs: options.killAfterMs }),
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the process and its group have ended. */
  get gone(): Promise<void> {
    return this.#child.gone;
  }

  connect(sink: ChannelSink): void {
    this.#sink = sink;
    if (this.#ended !== undefined) sink.ended(this.#ended);
  }

  send(text: string): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#outbox.length + this.#child.unreadBytes > this.#maxUnreadBytes) {
      throw targetUnavailable(
        this.#options.target,
        'does not read what it is sent. Wait until it answers again, or restart it.',
      );
    }
    this.#outbox += text.includes('\n') || text.includes('\r') ? `${text.replace(LINE_END, ' ')}\n` : `${text}\n`;
    if (this.#flushing) return;
    if (this.#outbox.length > LARGE_CHARACTERS) {
      this.#flush();
      return;
    }
    this.#flushing = true;
    // Requests that arrive in one turn of the event loop leave in one write.
    setImmediate(() => {
      this.#flush();
    });
  }

  /** Ends the child at once: what it writes is of no use. `what` completes `target "x" …`. */
  giveUp(what: string): void {
    this.#child.giveUp(what);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#flush();
    await this.#child.close();
  }

  /** After a flood the child is not read for as long as the flood took, so that others have half of the time. */
  #read(chunk: Buffer): void {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    if (this.#reader.push(chunk) <= FLOOD_LINES || this.#ended !== undefined) return;
    this.#child.rest(Math.max(1, clock.monotonicMs() - startMs));
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#outbox === '' || this.#ended !== undefined) return;
    const text = this.#outbox;
    this.#outbox = '';
    if (this.#child.write(text)) return;
    this.#flushing = true;
    this.#child.onDrain(() => {
      this.#flush();
    });
  }

  #childEnded(end: ChildEnd): void {
    this.#reader.end();
    const { target } = this.#options;
    const { what, ...details } = end;
    const tail = end.stderr === '' ? '' : ` Its last words: ${lastLine(end.stderr)}`;
    this.#ended = targetUnavailable(target, `${what}${tail}`, details);
    this.#outbox = '';
    this.#sink?.ended(this.#closed ? undefined : this.#ended);
  }

  #oversized(line: OversizedLine, maxBytes: number): void {
    const { target } = this.#options;
    const owner = oversizedOwner(line);
    if (owner === 'notification' && line.ended) {
      this.#sink?.unreadable('', `a notification of ${line.bytes} bytes`);
      return;
    }
    const error = new PlatformError(
      'TARGET_RESPONSE_TOO_LARGE',
      `target "${target}" sent a line of ${line.bytes} bytes; at most ${maxBytes} are read. Ask it for less, in pages for instance.`,
      { target, bytes: line.bytes, maxBytes },
    );
    if (typeof owner === 'number') this.#sink?.failed(owner, error);
    else this.#sink?.failedAll(error);
    if (!line.ended)
      this.#child.giveUp(
        `sent ${line.bytes} bytes without a line end and was ended. It is started again with the next call.`,
      );
  }
}

/** npm says what is wrong in the middle; below it stand hints and where its log is. */
const NPM_LINE = /^npm (?:error|ERR!) /;
const NPM_REASON = /^npm (?:error|ERR!) (?!code |errno |syscall |path |A complete log)\S/;

function lastLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const reason = NPM_LINE.test(lines.at(-1) ?? '') ? lines.find((line) => NPM_REASON.test(line)) : undefined;
  if (reason !== undefined) return reason.trim().slice(0, 400);
  // Runtimes end with their stack and their version; what went wrong stands above both.
  const said = lines.findLast((line) => !/^\s+at |^Node\.js v\d|^\s*[\^}]+\s*$/.test(line));
  return (said ?? lines.at(-1) ?? '').trim().slice(0, 400);
}
