/** Masks the secrets that an instance knows, wherever text leaves it: the log, and every response. */

/** Shorter values would mask ordinary words. */
const MIN_LENGTH = 8;

const MASK = '[redacted]';

export class Redactor {
  #values: readonly string[] = [];

  /** Replaces what is known. Each value is also found in the form that JSON strings give it. */
  set(values: readonly string[]): void {
    const long = values.filter((value) => value.length >= MIN_LENGTH);
    const forms = long.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]);
    this.#values = [...new Set(forms)].sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let out = text;
    for (const value of this.#values) if (out.includes(value)) out = out.replaceAll(value, MASK);
    return out;
  }
}
