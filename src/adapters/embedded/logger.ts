/** The log: one JSON line per record. `JSON.stringify` escapes control characters, so no field can start a new record. */

import type { Clock, LogLevel, Logger } from '../../core/ports.ts';
import type { Redactor } from '../../core/redact.ts';

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
const MAX_FIELD_BYTES = 4_096;
/** Right-to-left marks and the like can make a line on a terminal read as another. */
const INVISIBLE = /[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly write: (line: string) => void;
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') {
    const visible = value.replaceAll(
      INVISIBLE,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    return visible.length > MAX_FIELD_BYTES ? `${visible.slice(0, MAX_FIELD_BYTES)}…` : visible;
  }
  if (typeof value === 'object' && value !== null) {
    const text = JSON.stringify(value);
    return text.length > MAX_FIELD_BYTES ? `${text.slice(0, MAX_FIELD_BYTES)}…` : value;
  }
  return value;
}

class JsonLogger implements Logger {
  readonly #options: LoggerOptions;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(options: LoggerOptions, fields: Readonly<Record<string, unknown>>) {
    this.#options = options;
    this.#fields = fields;
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { clock, redactor, write } = this.#options;
    if (ORDER.indexOf(level) < ORDER.indexOf(this.#options.level)) return;
    const record: Record<string, unknown> = { time: new Date(clock.nowMs()).toISOString(), level, message };
    for (const [key, value] of Object.entries({ ...this.#fields, ...fields })) record[key] = clean(value);
    write(`${redactor.text(JSON.stringify(record))}\n`);
  }

  with(fields: Readonly<Record<string, unknown>>): Logger {
    return new JsonLogger(this.#options, { ...this.#fields, ...fields });
  }
}

export function createLogger(options: LoggerOptions): Logger {
  return new JsonLogger(options, {});
}
