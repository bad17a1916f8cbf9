/**
 * From a definition in the Amazon States Language to a machine that can run. Whatever is invalid or outside the
 * portable profile is refused here, all of it at once, so that nothing of it is met in the middle of an execution.
 */

import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { checkGroup } from './check-group.ts';
import { readDefinition } from './definition-text.ts';
import type { Position } from './definition-text.ts';
import type { Machine, QueryLanguage, StateFields } from './machine.ts';
import type { Problem } from './problems.ts';
import { inside, Problems, shown } from './problems.ts';

export interface Parsed {
  readonly machine: Machine | undefined;
  readonly definition: JsonValue | undefined;
  readonly problems: readonly Problem[];
  locate(pointer: string): Position | undefined;
}

/** Bytes of a definition that the service takes. */
const LARGEST = 1_048_576;

const TOP_FIELDS: ReadonlySet<string> = new Set([
  'Comment',
  'StartAt',
  'States',
  'TimeoutSeconds',
  'Version',
  'QueryLanguage',
]);

/**
 * @param source - JSON text, or a definition that was parsed.
 * @throws PlatformError `WORKFLOW_INVALID`, or `WORKFLOW_UNSUPPORTED` when everything wrong is that it is not
 *   portable. `details.problems` lists every problem with state, JSON pointer and, for text, line and column.
 */
export function parseMachine(source: JsonValue): Machine {
  const { machine, problems } = examine(source);
  if (machine !== undefined && problems.length === 0) return machine;
  const isInvalid = problems.some((problem) => problem.code === 'WORKFLOW_INVALID');
  const code = isInvalid ? 'WORKFLOW_INVALID' : 'WORKFLOW_UNSUPPORTED';
  throw new PlatformError(code, describe(problems), { problems });
}

/** As {@link parseMachine}, returning the problems. */
export function examine(source: JsonValue): Parsed {
  const problems = new Problems();
  const root = { state: undefined, pointer: '' };
  const text = typeof source === 'string' ? readDefinition(source, problems) : undefined;
  const definition = text === undefined ? source : text.value;
  const locate = (pointer: string): Position | undefined => text?.locate(pointer);
  const size = typeof source === 'string' ? source.length : JSON.stringify(source).length;
  if (size > LARGEST)
    problems.invalid(root, `The definition is larger than ${LARGEST} bytes.`, 'Split it into several machines.');
  const isReadable = problems.found.length === 0;
  const machine = isReadable && definition !== undefined ? checkMachineObject(definition, problems) : undefined;
  const placed = problems.found.map((problem) => ({ ...text?.locate(problem.pointer), ...problem }));
  return { machine, definition, problems: placed, locate };
}

function checkMachineObject(definition: JsonValue, problems: Problems): Machine | undefined {
  const root = { state: undefined, pointer: '' };
  if (!isObject(definition)) {
    problems.invalid(root, 'A state machine is an object.', 'Write {"StartAt": …, "States": {…}}.');
    return undefined;
  }
  const fields = definition as StateFields;
  for (const name of Object.keys(fields)) {
    if (!TOP_FIELDS.has(name))
      problems.invalid(inside(root, name), `A state machine has no field "${name}".`, 'Remove it.');
  }
  const { Version: version, TimeoutSeconds: timeout, Comment: comment } = fields;
  if (version !== undefined && version !== '1.0') {
    problems.invalid(
      inside(root, 'Version'),
      `${shown(version)} is no version of the language.`,
      'Use "1.0", or remove it.',
    );
  }
  const isTimeout = typeof timeout === 'number' && Number.isInteger(timeout) && timeout >= 1 && timeout <= 99_999_999;
  if (timeout !== undefined && !isTimeout) {
    problems.invalid(
      inside(root, 'TimeoutSeconds'),
      `${shown(timeout)} is no timeout.`,
      'Use a whole number of seconds from 1 on.',
    );
  }
  const group = checkGroup(definition as JsonValue, root, {
    problems,
    language: languageOf(fields, problems),
    names: new Set(),
    outerVariables: new Set(),
    depth: 0,
  });
  if (group === undefined) return undefined;
  return {
    ...group,
    timeoutSeconds: isTimeout ? timeout : undefined,
    comment: typeof comment === 'string' ? comment : undefined,
    definition: definition as JsonValue,
  };
}

function languageOf(fields: StateFields, problems: Problems): QueryLanguage {
  const { QueryLanguage: language } = fields;
  if (language === undefined || language === 'JSONPath') return 'JSONPath';
  if (language === 'JSONata') return 'JSONata';
  problems.invalid(
    { state: undefined, pointer: '/QueryLanguage' },
    `${shown(language)} is no query language.`,
    'Use JSONPath or JSONata.',
  );
  return 'JSONPath';
}

/** What a person reads first; the details have it all. */
function describe(problems: readonly Problem[]): string {
  const lines = problems.slice(0, 10).map(({ state, pointer, message, line, next }) => {
    const where = state === undefined ? pointer || 'the machine' : `state "${state}"`;
    return `${line === undefined ? '' : `line ${line}, `}${where}: ${message} ${next}`;
  });
  const more = problems.length > lines.length ? ` And ${problems.length - lines.length} more.` : '';
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  return `The state machine has ${count}: ${lines.join(' ')}${more}`;
}
