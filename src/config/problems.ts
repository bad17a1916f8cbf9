/** What can be wrong with a configuration, said all at once: a list of problems and the one error that carries it. */

import type { ErrorCode } from '../core/errors.ts';
import { PlatformError } from '../core/errors.ts';

/** One thing to correct. Messages name keys, never values: a value may be a resolved secret. */
export interface ConfigProblem {
  readonly code: ErrorCode;
  /** The file as the operator knows it: relative to the working folder where that is shorter. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units as editors count. */
  readonly column: number;
  /** Dotted key, `mcpServers.docs.timeoutMs`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
  /** The known key (or value) that was probably meant. */
  readonly nearest?: string;
  /** The line of the file, for terminals; left out where interpolation or a secret could stand in it. */
  readonly source?: string;
}

/** Nothing else is thrown for a bad configuration. `details.problems` and `problems` are the same list. */
export class ConfigError extends PlatformError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], code: ErrorCode = 'CONFIG_INVALID') {
    super(code, summary(problems), { problems });
    this.problems = problems;
  }
}

/** As the eye goes down the file. */
export function inOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return [...problems].sort((one, other) => one.line - other.line || one.column - other.column);
}

function summary(problems: readonly ConfigProblem[]): string {
  const [first] = problems;
  if (first === undefined) return 'The configuration is not valid.';
  const where = `${first.file}:${first.line}:${first.column}`;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  const hint = first.nearest === undefined ? '' : ` Did you mean "${first.nearest}"?`;
  return `${where} ${first.message}.${hint}${more} Correct the file and start again.`;
}

/**
 * Problems as a terminal shows them: a line of code and message, a line of place and source, and at the end
 * what to do next. Control characters are escaped, since the text comes from a file.
 */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  const blocks = problems.map((problem) => {
    const hint = problem.nearest === undefined ? '' : `      did you mean "${problem.nearest}"?`;
    const source = problem.source === undefined ? '' : `   ${problem.source}`;
    return `error ${problem.code}  ${problem.message}\n  ${problem.file}:${problem.line}:${problem.column}${source}${hint}`;
  });
  const count = problems.length === 1 ? 'fix the line' : `fix the ${problems.length} places`;
  return printable(`${blocks.join('\n')}\n  next: ${count}, or run  zeroplane doctor\n`);
}

/** Control, line and direction characters but for the line feed. */
const UNPRINTABLE = /[^\P{C}\n]|[\u2028\u2029]/gu;

function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
