/**
 * What Lambda accepts in its control plane, and what of it may reach a function that executes here.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
 */

import { PlatformError } from '../core/errors.ts';
import type { FunctionChanges } from '../core/function-control.ts';
import { isReserved } from './function-spec.ts';

const MAX_DESCRIPTION = 256;
const MAX_ENVIRONMENT_BYTES = 4096;
const MAX_TAGS = 50;
/** What runs and with which rights is the operator's to say, in the operator's own file. */
const OPERATOR_ONLY = ['handler', 'runtime', 'layers', 'zip'] as const;
/** Variables that make a runtime load other code than the function's. */
const LOADS_CODE =
  /^(?:PATH|IFS|ENV|BASH_.*|LD_.*|DYLD_.*|NODE_.*|PYTHON.*|PERL.*|RUBY.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_.*|GCONV_PATH|AWS_LAMBDA_EXEC_WRAPPER)$/i;

function invalid(name: string, what: string): PlatformError {
  return new PlatformError('INVALID_ARGUMENTS', `Function "${name}": ${what}`, { function: name });
}

/** @throws PlatformError `INVALID_ARGUMENTS` with the bound that was passed. */
export function checkChanges(name: string, changes: FunctionChanges): void {
  checkNumber(name, { what: 'memoryMb', value: changes.memoryMb, least: 128, most: 10_240 });
  checkNumber(name, { what: 'timeoutSeconds', value: changes.timeoutSeconds, least: 1, most: 900 });
  checkDescription(name, changes.description);
  checkEnvironment(name, changes.environment ?? {});
}

export function checkDescription(name: string, description: string | undefined): void {
  if ((description?.length ?? 0) > MAX_DESCRIPTION)
    throw invalid(name, `the description may have ${MAX_DESCRIPTION} characters.`);
}

/** @throws PlatformError `INVALID_ARGUMENTS` when a change would decide what code runs. @param place - The file to edit. */
export function checkExecuting(name: string, changes: FunctionChanges, place: string): void {
  const key = OPERATOR_ONLY.find((each) => changes[each] !== undefined);
  if (key !== undefined) throw invalid(name, `${key} decides what runs here and is set in ${place} alone.`);
  const variable = Object.keys(changes.environment ?? {}).find((each) => LOADS_CODE.test(each));
  if (variable !== undefined)
    throw invalid(name, `the variable ${variable} can load other code and is set in ${place} alone.`);
}

interface NumberCheck {
  readonly what: string;
  readonly value: number | undefined;
  readonly least: number;
  readonly most: number;
}

function checkNumber(name: string, { what, value, least, most }: NumberCheck): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || value < least || value > most)
    throw invalid(name, `${what} must be a whole number from ${least} to ${most}, not ${value}.`);
}

function checkEnvironment(name: string, environment: Readonly<Record<string, string>>): void {
  const entries = Object.entries(environment);
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > MAX_ENVIRONMENT_BYTES)
    throw invalid(name, `the environment has ${bytes} bytes; ${MAX_ENVIRONMENT_BYTES} are allowed.`);
  for (const [key, value] of entries) {
    if (!/^[A-Za-z][A-Za-z0-9_]+$/.test(key)) throw invalid(name, `"${key}" cannot be the name of a variable.`);
    if (isReserved(key)) throw invalid(name, `the variable ${key} is reserved by Lambda.`);
    if (value.includes('\0')) throw invalid(name, `the variable ${key} has a NUL in its value.`);
  }
}

export function checkName(name: string): void {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw invalid(name, 'a name has 1 to 64 letters, digits, "-" and "_".');
}

/** @param tags - All tags as they would then be. */
export function checkTags(name: string, tags: Readonly<Record<string, string>>): void {
  const entries = Object.entries(tags);
  if (entries.length > MAX_TAGS) throw invalid(name, `${entries.length} tags are more than the ${MAX_TAGS} allowed.`);
  for (const [key, value] of entries) {
    if (key.length === 0 || key.length > 128 || value.length > 256)
      throw invalid(name, `the tag "${key.slice(0, 128)}" is too long: 128 characters and 256 for its value.`);
    if (/^aws:/i.test(key)) throw invalid(name, `the tag "${key}" begins with "aws:", which is reserved.`);
  }
}

/** @param has - Whether a version exists. */
export function checkAlias(
  name: string,
  alias: {
    readonly name: string;
    readonly functionVersion: string;
    readonly weights: Readonly<Record<string, number>>;
  },
  has: (version: string) => boolean,
): void {
  if (!/^(?!\d+$)[A-Za-z0-9_-]{1,128}$/.test(alias.name))
    throw invalid(name, 'an alias has 1 to 128 letters, digits, "-" and "_", and is no number.');
  if (!has(alias.functionVersion)) throw missingVersion(name, alias.functionVersion);
  const entries = Object.entries(alias.weights);
  if (entries.length > 1)
    throw invalid(name, 'an alias sends a share of its invocations to one other version at most.');
  for (const [version, weight] of entries) checkWeight(name, alias.functionVersion, { version, weight, has });
}

interface WeightCheck {
  readonly version: string;
  readonly weight: number;
  readonly has: (version: string) => boolean;
}

function checkWeight(name: string, main: string, { version, weight, has }: WeightCheck): void {
  if (!(weight > 0 && weight <= 1))
    throw invalid(name, `the weight of version ${version} must be above 0 and up to 1.`);
  if (version === main)
    throw invalid(name, `version ${version} gets what the other leaves; give the weight to another.`);
  if (main === '$LATEST' || version === '$LATEST')
    throw invalid(name, '$LATEST takes no part in weights; publish a version first.');
  if (!has(version)) throw missingVersion(name, version);
}

function missingVersion(name: string, version: string): PlatformError {
  const what = `Function "${name}" has no version "${version}". Publish it first.`;
  return new PlatformError('FUNCTION_NOT_FOUND', what, { function: name, qualifier: version });
}
