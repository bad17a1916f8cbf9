/**
 * The seam for questions in the middle of a call. An older server asks and waits (`elicitation/create`,
 * `sampling/createMessage`, `roots/list`); a caller of 2026-07-28 is asked by a result, `input_required`, and answers with a new
 * request, which in a function may meet another process. What happens to the call in between is a mode:
 *
 * - `hold` (`hold-mode.ts`): it waits in this process, for a bounded time.
 * - `replay` (`replay-mode.ts`): it ends, and is run again from the start with the answers at hand.
 * - A third mode, where a worker holds the process and a durable task carries the questions, implements this
 *   interface with what the Tasks extension gives it.
 */

import type { Message } from '../../protocol/message.ts';
import type { TargetCall } from '../../core/target.ts';
import type { Incoming } from './server-endpoint.ts';
import { createHash } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import { isObject, rawMembers, scan } from '../../core/json.ts';

export interface QuestionMode {
  /** What the mode's request states begin with; a server's own states begin otherwise. */
  readonly prefix: string;
  /**
   * Runs a call of a caller who can be asked, or goes on with one.
   *
   * @param state - `requestState` of the caller without its prefix, when it is this mode's.
   * @returns the text of the result, or of an `input_required` with questions.
   * @throws PlatformError `INVALID_REQUEST_STATE`, and what the call throws.
   */
  run(call: TargetCall, incoming: Incoming, state: string | undefined): Promise<string>;
  /** Gives up every call that waits. */
  close(): void;
}

/** Questions within this time of each other are put to the caller together. */
export const GATHER_MS = 20;

/** The only requests that 2026-07-28 lets answer with `input_required`. */
export const MAY_BE_ASKED: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** A question as it stands in `inputRequests`. */
export interface OpenQuestion {
  readonly key: string;
  readonly method: string;
  readonly paramsText: string;
}

export function inputRequired(questions: readonly OpenQuestion[], state: string): string {
  const requests = questions.map(
    ({ key, method, paramsText }) =>
      `${JSON.stringify(key)}:{"method":${JSON.stringify(method)},"params":${paramsText}}`,
  );
  return `{"resultType":"input_required","inputRequests":{${requests.join(',')}},"requestState":${JSON.stringify(state)}}`;
}

/** What identifies a request across its retries: method, name and arguments, but neither id nor answers. */
export function requestDigest(message: Message): string {
  const relevant = message.params.filter((member) => member.key !== 'inputResponses' && member.key !== 'requestState');
  return digestOf(message.method, relevant.map((member) => `${member.key}=${member.text}`).join('\0'));
}

export function digestOf(method: string, text: string): string {
  return createHash('sha256').update(`${method}\0${text}`).digest('base64url');
}

/** The parameters of a call without what only its retries have; an older server knows neither. */
export function withoutAnswers(call: TargetCall): TargetCall {
  const params = call.params.filter(({ key }) => key !== 'inputResponses' && key !== 'requestState');
  if (params.length === call.params.length) return call;
  const { inputResponses: _answers, requestState: _state, ...parsed } = call.parsed;
  return { ...call, params, parsed };
}

/** `inputResponses` as original text by key. @throws PlatformError `INVALID_PARAMS`. */
export function answersOf(message: Message): ReadonlyMap<string, string> {
  const member = message.params.find((candidate) => candidate.key === 'inputResponses');
  if (member === undefined) return new Map();
  const { object } = scan(member.text, 1);
  if (object === undefined) throw new PlatformError('INVALID_PARAMS', '"inputResponses" must be an object.');
  return new Map(rawMembers(member.text, object).map((entry) => [entry.key, entry.text]));
}

export function stateError(what: string): PlatformError {
  return new PlatformError('INVALID_REQUEST_STATE', `${what} Send the call again without requestState.`);
}

/** Whether a caller with these capabilities may be asked this. Elicitation without modes means forms. */
export function mayAsk(capabilities: Readonly<Record<string, unknown>>, method: string, paramsText: string): boolean {
  if (method === 'sampling/createMessage') return capabilities['sampling'] !== undefined;
  if (method === 'roots/list') return capabilities['roots'] !== undefined;
  const { elicitation } = capabilities;
  if (method !== 'elicitation/create' || !isObject(elicitation)) return false;
  const params: unknown = JSON.parse(paramsText);
  const isUrl = isObject(params) && params['mode'] === 'url';
  if (isUrl) return elicitation['url'] !== undefined;
  return elicitation['form'] !== undefined || elicitation['url'] === undefined;
}

/** Refuses a question that the caller did not say it can answer. */
export function cannotAnswer(method: string): PlatformError {
  return new PlatformError(
    'CLIENT_CANNOT_ANSWER',
    `The tool asks the user (${method}), which this client did not declare. Use a client that declares the capability.`,
  );
}
