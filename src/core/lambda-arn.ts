/**
 * Lambda function names and ARNs: `name`, `name:qualifier`, or
 * `arn:<partition>:lambda:<region>:<account>:function:<name>[:qualifier]`.
 *
 * Region and account are not judged: samples print placeholders there, and without `--live` only the function's
 * name decides.
 */

/** AWS allows 64 characters for a name and 128 for a qualifier; 512 for the whole leaves room for placeholders. */
const MAX_LENGTH = 512;

export interface FunctionReference {
  readonly name: string;
  /** Version or alias; absent when none was given. */
  readonly qualifier?: string;
}

/** What no part of a reference may hold: white space, controls, and characters nobody sees. */
const HIDDEN = /[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

function reference(name: string, qualifier: string): FunctionReference | undefined {
  if (name === '') return undefined;
  return qualifier === '' ? { name } : { name, qualifier };
}

/** Takes an ARN of a function apart; `undefined` when the text is none. */
export function parseFunctionArn(text: string): FunctionReference | undefined {
  if (text.length > MAX_LENGTH || HIDDEN.test(text)) return undefined;
  const [arn, partition, service, , , kind, name, ...rest] = text.split(':');
  if (arn !== 'arn' || !partition || service !== 'lambda' || kind !== 'function' || name === undefined)
    return undefined;
  return reference(name, rest.join(':'));
}

/** Takes a name or an ARN, each with an optional qualifier, apart; `undefined` when the text is neither. */
export function parseFunctionReference(text: string): FunctionReference | undefined {
  if (text.startsWith('arn:')) return parseFunctionArn(text);
  if (text.length > MAX_LENGTH || HIDDEN.test(text)) return undefined;
  const colon = text.indexOf(':');
  return colon < 0 ? reference(text, '') : reference(text.slice(0, colon), text.slice(colon + 1));
}

/** The same function under another version or alias. */
export function withQualifier(text: string, qualifier: string): string {
  return `${withoutQualifier(text)}:${qualifier}`;
}

/** The function itself, whatever version or alias the text names. */
export function withoutQualifier(text: string): string {
  const own = parseFunctionReference(text)?.qualifier;
  return own === undefined ? text : text.slice(0, -own.length - 1);
}

/** The ARN under which a function of the configuration is known. */
export function localFunctionArn(name: string): string {
  return `arn:aws:lambda:us-east-1:000000000000:function:${name}`;
}
