/** Checks what a Task calls, and with what. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { QueryLanguage, StateFields } from './machine.ts';
import type { Place, Problems } from './problems.ts';
import { inside, shown } from './problems.ts';
import { readResource } from './resource.ts';

interface Task {
  readonly fields: StateFields;
  readonly language: QueryLanguage;
  readonly place: Place;
}

const PORTABLE =
  'Use a function (its ARN, its name, or ${Name}), arn:aws:states:::lambda:invoke, arn:aws:states:::lambda:invoke.waitForTaskToken or arn:aws:states:::states:startExecution.sync:2.';

const LAMBDA_PARAMETERS = ['FunctionName', 'Payload', 'Qualifier', 'InvocationType', 'LogType'];
const CHILD_PARAMETERS = ['StateMachineArn', 'Input', 'Name'];

export function checkResource({ fields, language, place }: Task, problems: Problems): void {
  const { Resource: value } = fields;
  const at = inside(place, 'Resource');
  if (typeof value !== 'string' || value === '') {
    problems.invalid(at, 'A Task needs a Resource, a string.', PORTABLE);
    return;
  }
  const resource = readResource(value);
  if (resource === undefined) {
    problems.unsupported(at, `The resource ${shown(value)} is outside the portable profile.`, PORTABLE);
    return;
  }
  if (resource.kind === 'function') return;
  const isChild = resource.kind === 'start-execution';
  const field = language === 'JSONata' ? 'Arguments' : 'Parameters';
  checkParameters(fields[field], inside(place, field), {
    needed: isChild ? 'StateMachineArn' : 'FunctionName',
    allowed: isChild ? CHILD_PARAMETERS : LAMBDA_PARAMETERS,
    problems,
  });
}

function checkParameters(
  value: JsonValue | undefined,
  at: Place,
  { needed, allowed, problems }: { needed: string; allowed: readonly string[]; problems: Problems },
): void {
  // An expression makes them when the task runs.
  if (typeof value === 'string') return;
  const parameters = isObject(value) ? (value as StateFields) : {};
  const plain = (key: string): string => (key.endsWith('.$') ? key.slice(0, -2) : key);
  const names = Object.keys(parameters).map(plain);
  if (!names.includes(needed)) problems.invalid(at, `This resource needs the parameter ${needed}.`, 'Add it.');
  for (const key of Object.keys(parameters)) {
    if (!allowed.includes(plain(key))) {
      problems.unsupported(inside(at, key), `The parameter "${key}" is outside the portable profile.`, 'Remove it.');
    }
  }
  const { InvocationType: type } = parameters;
  if (type !== undefined && type !== 'RequestResponse') {
    problems.unsupported(
      inside(at, 'InvocationType'),
      `The invocation type ${shown(type)} is outside the portable profile.`,
      'Use RequestResponse.',
    );
  }
}
