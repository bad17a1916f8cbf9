/** Masks the secrets that an instance knows, wherever text leaves it: the log, and every response. */

/** Shorter values would mask ordinary words. */
const MIN_LENGTH = 8;

export const MASK = '[redacted]';

export class Redactor {
  #values: readonly string[] = [];
  #configured: readonly string[] = [];
  readonly #learned = new Set<string>();
  /** Bytes that hold no secret: pages of lists are sent again and again. */
  #clean = new WeakSet<Uint8Array>();

  /** Replaces what is known of the configuration. Values are also found in the forms of JSON, URLs and base64. */
  set(values: readonly string[]): void {
    this.#configured = values;
    this.#refresh();
  }

  /** Adds what was looked up while running; it stays when the configuration changes. */
  learn(values: readonly string[]): void {
    const before = this.#learned.size;
    for (const value of values) this.#learned.add(value);
    if (this.#learned.size > before) this.#refresh();
  }

  #refresh(): void {
    const long = [...this.#configured, ...this.#learned].filter((value) => value.length >= MIN_LENGTH);
    const forms = long.flatMap((value) => [
      value,
      JSON.stringify(value).slice(1, -1),
      // Through bytes: half a character would make it throw.
      encodeURIComponent(Buffer.from(value).toString()),
      Buffer.from(value).toString('base64').replace(/=+$/, ''),
    ]);
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
