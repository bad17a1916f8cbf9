/** `workflows check`: what is wrong with a state machine, or could be better, without an instance. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PlatformError } from '../../core/errors.ts';
import type { Finding } from '../../workflows/asl/check-machine.ts';
import { checkMachine } from '../../workflows/asl/check-machine.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import type { Style } from '../style.ts';
import { oneLine, plural } from '../style.ts';

/** Ends with 2 when there are errors, and with 1 for warnings under `--strict`. */
export async function* workflowsCheck(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  const file = invocation.word;
  const findings = await checkMachine(await definitionText(file, context));
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const value = { file, errors, warnings, findings };
  yield result(value, (style) => findingsText(file, findings, { errors, warnings, style }));
  if (errors > 0) return EXIT.usage;
  return warnings > 0 && invocation.isSet('strict') ? EXIT.failed : EXIT.ok;
}

async function definitionText(file: string, context: CliContext): Promise<string> {
  if (file === '-') return context.terminal.readStdin();
  try {
    return await readFile(resolve(context.cwd, file), 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new PlatformError('NOT_FOUND', `The file ${file} cannot be read (${reason}).`, {}, { cause: error });
  }
}

function findingsText(
  file: string,
  findings: readonly Finding[],
  { errors, warnings, style }: { errors: number; warnings: number; style: Style },
): string {
  const lines = findings.flatMap(({ severity, line, column, state, message, next }) => {
    const word = severity === 'error' ? style.bad('error') : style.warn('warning');
    const where = state === undefined ? '' : `${oneLine(state, 80)}: `;
    return [
      `${file}:${line}:${column}  ${word}  ${where}${oneLine(message, 400)}`,
      `    ${style.dim(oneLine(next, 400))}`,
    ];
  });
  const sum =
    errors + warnings === 0
      ? style.good('nothing found')
      : `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`;
  return [...lines, `${file}: ${sum}`].join('\n');
}
