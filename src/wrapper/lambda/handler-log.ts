/** A handler's own log: one JSON line per record on stderr, which Lambda takes to CloudWatch. */

import type { LogLevel, Logger } from '../../core/ports.ts';

const ORDER: readonly string[] = ['debug', 'info', 'warn', 'error'];
/** Characters of a single field; a server's last words may be long. */
const MAX_FIELD = 2_000;

/** @param level - `LOG_LEVEL` as it stands, in any case; `silent` says nothing. Anything unknown means `info`. */
export function handlerLog(level: string | undefined, write: (line: string) => void): Logger {
  const wanted = (level ?? '').toLowerCase();
  const least = wanted === 'silent' ? ORDER.length : ORDER.indexOf(wanted === 'warning' ? 'warn' : wanted);
  return loggerWith({}, least < 0 ? 1 : least, write);
}

function loggerWith(fixed: Readonly<Record<string, unknown>>, least: number, write: (line: string) => void): Logger {
  return {
    log: (level: LogLevel, message, fields = {}) => {
      if (ORDER.indexOf(level) < least) return;
      write(`${JSON.stringify({ level, message, ...fixed, ...fields }, capped)}\n`);
    },
    with: (fields) => loggerWith({ ...fixed, ...fields }, least, write),
  };
}

function capped(_key: string, value: unknown): unknown {
  return typeof value === 'string' && value.length > MAX_FIELD ? `${value.slice(0, MAX_FIELD)}…` : value;
}
