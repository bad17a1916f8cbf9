/** Cuts a byte stream into lines without ever holding more than one line of the permitted length. */

import { isUtf8 } from 'node:buffer';

export interface LineSink {
  /** One complete line, without its end. */
  line(text: string): void;
  /** A line that is not valid UTF-8, decoded with replacement characters. */
  invalid(text: string): void;
  /** A line over the limit has ended, or is still growing past `MAX_SKIPPED_BYTES`. */
  oversized(line: OversizedLine): void;
}

export interface OversizedLine {
  /** The first and last bytes, enough to find the id of the request it answered. */
  readonly head: string;
  readonly tail: string;
  readonly bytes: number;
  /** False while the line has no end: the stream cannot be read any further. */
  readonly ended: boolean;
}

/** How much of an endless line is thrown away before the stream is given up. */
const MAX_SKIPPED_BYTES = 256 * 1024 * 1024;

/** What some runtimes write before anything else when told to write UTF-8; it belongs to no line. */
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const NEWLINE = 10;
const RETURN = 13;
const EDGE_BYTES = 256;
const REPLACEMENT = '\uFFFD';

interface Skipped {
  readonly head: string;
  tail: Buffer;
  bytes: number;
}

export class LineReader {
  readonly #sink: LineSink;
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #held = 0;
  #skipped: Skipped | undefined;
  #begun = false;

  /** @param maxBytes - Longest line that is kept, without its end. */
  constructor(sink: LineSink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  /** @returns how many lines have ended in this chunk. */
  push(chunk: Buffer): number {
    let start = this.#begun || !chunk.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 0 : BYTE_ORDER_MARK.length;
    this.#begun = true;
    let lines = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#finish(chunk.subarray(start, end));
      start = end + 1;
      lines++;
    }
    if (start < chunk.length) this.#hold(start === 0 ? chunk : chunk.subarray(start));
    return lines;
  }

  /** The stream has ended: a last line without a newline still counts. */
  end(): void {
    if (this.#held > 0 || this.#skipped !== undefined) this.#finish(Buffer.alloc(0));
  }

  #hold(part: Buffer): void {
    if (this.#skipped !== undefined) this.#skip(this.#skipped, part);
    else if (this.#held + part.length > this.#maxBytes) this.#startSkipping(part);
    else {
      this.#parts.push(part);
      this.#held += part.length;
    }
  }

  #startSkipping(part: Buffer): void {
    this.#parts.push(part);
    const head = edge(this.#parts);
    this.#skipped = { head, tail: Buffer.alloc(0), bytes: this.#held };
    this.#reset();
    this.#skip(this.#skipped, part);
  }

  #skip(skipped: Skipped, part: Buffer): void {
    skipped.bytes += part.length;
    // A copy, so that no whole chunk stays alive for its last bytes.
    const last = part.subarray(-EDGE_BYTES);
    skipped.tail =
      last.length === EDGE_BYTES ? Buffer.from(last) : Buffer.concat([skipped.tail, last]).subarray(-EDGE_BYTES);
    if (skipped.bytes <= MAX_SKIPPED_BYTES) return;
    this.#skipped = undefined;
    this.#sink.oversized({
      head: skipped.head,
      tail: skipped.tail.toString('utf8'),
      bytes: skipped.bytes,
      ended: false,
    });
  }

  #finish(part: Buffer): void {
    if (this.#skipped === undefined && this.#held + part.length > this.#maxBytes) this.#startSkipping(part);
    else if (this.#skipped !== undefined) this.#skip(this.#skipped, part);
    const skipped = this.#skipped;
    if (skipped !== undefined) {
      this.#skipped = undefined;
      this.#sink.oversized({
        head: skipped.head,
        tail: skipped.tail.toString('utf8'),
        bytes: skipped.bytes,
        ended: true,
      });
      return;
    }
    if (this.#held === 0) {
      this.#emit(part);
      return;
    }
    this.#parts.push(part);
    const line = Buffer.concat(this.#parts);
    this.#reset();
    this.#emit(line);
  }

  #reset(): void {
    this.#parts = [];
    this.#held = 0;
  }

  #emit(line: Buffer): void {
    const end = line.length > 0 && line[line.length - 1] === RETURN ? line.length - 1 : line.length;
    if (end === 0) return;
    const text = line.toString('utf8', 0, end);
    // Only a text with replacement characters can come from invalid bytes, so most lines are checked for free.
    if (text.includes(REPLACEMENT) && !isUtf8(line)) this.#sink.invalid(text);
    else this.#sink.line(text);
  }
}

function edge(parts: readonly Buffer[]): string {
  return Buffer.concat(parts, EDGE_BYTES).toString('utf8');
}

// Some servers give the number back as text.
const HEAD_ID = /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*("?)(\d{1,15})\1\s*,/;
const HEAD_METHOD = /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"method"\s*:/;
const TAIL_ID = /"id"\s*:\s*("?)(\d{1,15})\1\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/;

/** Which request a line that was too long to keep was for: its id, `notification`, or `unknown`. */
export function oversizedOwner(line: OversizedLine): number | 'notification' | 'unknown' {
  const id = HEAD_ID.exec(line.head)?.[2] ?? TAIL_ID.exec(line.tail)?.[2];
  if (id !== undefined) return Number(id);
  return HEAD_METHOD.test(line.head) ? 'notification' : 'unknown';
}
