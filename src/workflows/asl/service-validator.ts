/** asl-validator, which knows the schemas of Step Functions. Loaded when a definition is checked, never before a run. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';

export interface ServiceProblem {
  readonly state: string | undefined;
  readonly pointer: string;
  readonly message: string;
}

/**
 * ARNs are left to our own check, which takes names as well.
 *
 * @returns problems with their places; one that the validator places nowhere belongs to the whole.
 */
export async function serviceProblems(definition: JsonValue): Promise<ServiceProblem[]> {
  const { default: validate } = await import('asl-validator');
  try {
    // It writes defaults into what it checks, and knows neither names nor placeholders as resources.
    const { errors } = validate(structuredClone(definition), { checkPaths: true, checkArn: false });
    return errors.map(problemOf);
  } catch (error) {
    // What is no state machine at all makes it throw.
    return [{ state: undefined, pointer: '', message: `asl-validator broke off: ${String(error).slice(0, 200)}.` }];
  }
}

function problemOf(error: unknown): ServiceProblem {
  const fields = isObject(error) ? error : {};
  const schema = isObject(fields['schemaError']) ? fields['schemaError'] : fields;
  const given = schema['instancePath'];
  const message = textIn(fields, 'Message') || textIn(fields, 'message') || 'asl-validator does not accept it';
  const pointer = typeof given === 'string' && given.startsWith('/') ? given : '';
  return { state: stateIn(pointer) ?? /^State "(.{1,80}?)"/.exec(message)?.[1], pointer, message: `${message}.` };
}

const textIn = (fields: Record<string, unknown>, name: string): string =>
  typeof fields[name] === 'string' ? fields[name] : '';

/** The innermost state that a pointer leads into. */
function stateIn(pointer: string): string | undefined {
  const name = /.*\/States\/([^/]+)/.exec(pointer)?.[1];
  return name?.replaceAll('~1', '/').replaceAll('~0', '~');
}
