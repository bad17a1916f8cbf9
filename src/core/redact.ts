/** Masks the secrets that an instance knows, wherever text leaves it: the log, and every response. */

/** Shorter values would mask ordinary words. */
const MIN_LENGTH = 8;

export const MASK = '[redacted]';

export class Redactor {
  #values: readonly string[] = [];
  /** Bytes that hold no secret: pages of lists are sent again and again. */
  #clean = new WeakSet<Uint8Array>();

  /** Replaces what is known. Each value is also found in the form that JSON strings give it. */
  set(values: readonly string[]): void {
    const long = values.filter((value) => value.length >= MIN_LENGTH);
    const forms = long.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]);
    this.#clean = new WeakSet();
    this.#values = [...new Set(forms)].sort((a, b) => b.length - a.length);
  }

  /** The same for UTF-8 bytes, which are looked through once. */
  bytes(bytes: Uint8Array): Uint8Array {
    if (this.#values.length === 0 || this.#clean.has(bytes)) return bytes;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#values.some((value) => buffer.includes(value))) return Buffer.from(this.text(buffer.toString('utf8')));
    this.#clean.add(bytes);
    return bytes;
  }

  text(text: string): string {
    let out = text;
    for (const value of this.#values) if (out.includes(value)) out = out.replaceAll(value, MASK);
    return out;
  }
}
