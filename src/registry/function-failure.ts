/**
 * What a function's failure means for its caller: a code, and a sentence that says what happened and what to do. The
 * stack and the rest stay in the log.
 */

import type { ErrorCode } from '../core/errors.ts';
import { isObject } from '../core/json.ts';

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  /** The same without advice, for those who have their own. */
  readonly words: string;
}

const MAX_WORDS = 2000;

/** Of the error object, or of whatever stands in its place: `Type: message`. */
interface Said {
  readonly type: string;
  readonly message: string;
}

/** @param payload - What the function answered along with its error: mostly `{errorType, errorMessage, stackTrace?}`. */
export function failureOf(name: string, payload: string): Failure {
  const said = saidBy(payload);
  // A stream that was cut off carries the platform's own words.
  if (said.type === 'FUNCTION_TIMEOUT') return { code: said.type, message: said.message, words: said.message };
  const seconds = /\bTask timed out after ([\d.]+) seconds/.exec(said.message)?.[1];
  if (seconds !== undefined || said.type === 'Sandbox.Timedout') return timedOut(name, seconds);
  if (said.type === 'Function.ResponseSizeTooLarge') return tooLarge(name);
  const words = `Function "${name}" failed with ${said.type}: ${said.message}`.slice(0, MAX_WORDS);
  return { code: 'FUNCTION_FAILED', message: `${words.replace(/[.\s]+$/, '')}. ${adviceFor(said)}`, words };
}

/** AWS reports the end of a function's time as an error of the function. */
function timedOut(name: string, seconds: string | undefined): Failure {
  const after = seconds === undefined ? '' : ` after ${Math.round(Number(seconds) * 1000)} ms`;
  const words = `Function "${name}" timed out${after} and may have run.`;
  const message = `${words} Look at its effect before you call again, or raise its timeout.`;
  return { code: 'FUNCTION_TIMEOUT', message, words };
}

function tooLarge(name: string): Failure {
  const words = `Function "${name}" has run, and its answer is larger than Lambda hands on: 6 MB, or 200 MB streamed.`;
  const message = `${words} Ask for less, or let it answer a reference to stored data or stream its answer.`;
  return { code: 'PAYLOAD_TOO_LARGE', message, words };
}

/** Nothing of the caller's can mend what failed before the handler ran. */
function adviceFor({ type }: Said): string {
  return type.startsWith('Runtime.')
    ? 'Other arguments will not help: its owner finds the reason in its log.'
    : 'If the arguments are right, its owner finds the stack in its log.';
}

function saidBy(payload: string): Said {
  const value = parsed(payload);
  if (!isObject(value)) return { type: 'Error', message: withoutStack(payload.trim()) || 'no message' };
  const { errorType, errorMessage } = value;
  return {
    type: typeof errorType === 'string' && errorType !== '' ? errorType : 'Error',
    message: typeof errorMessage === 'string' ? withoutStack(errorMessage) : 'no message',
  };
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return undefined;
  }
}

/** Frames of Node and Python, which some handlers put into their message. */
const FRAME = /^(?:\s+at .+:\d+:\d+\)?|\s*File ".+", line \d+.*|Traceback \(most recent call last\):)$/m;

function withoutStack(message: string): string {
  const at = message.search(FRAME);
  return (at < 0 ? message : message.slice(0, at)).trim() || 'no message';
}
