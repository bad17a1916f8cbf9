/** Questions that a modern target puts into a result: how a legacy client answers them, and what a client may be asked. */

import { PlatformError } from '../core/errors.ts';
import type { RawMember, RawObject } from '../core/json.ts';
import { isObject, joinMembers, rawMembers, scan } from '../core/json.ts';
import type { Caller } from './caller.ts';
import { mayAsk } from './caller.ts';

/** Members as parsed values. */
export function valuesOf(members: readonly RawMember[]): Record<string, unknown> {
  return Object.fromEntries(members.map(({ key, text }) => [key, JSON.parse(text) as unknown]));
}

/** Members `inputResponses` and `requestState` for the next round. */
export async function answerRound(text: string, caller: Caller): Promise<{ key: string; text: string }[]> {
  const { object, value } = scan(text, 3);
  if (object === undefined || !isObject(value))
    throw new PlatformError('TARGET_PROTOCOL_ERROR', 'The target asked in a form that is no object.');
  const requests = isObject(value['inputRequests']) ? value['inputRequests'] : {};
  const answers: { key: string; text: string }[] = [];
  const texts = questionTexts(text, object);
  for (const [key, question] of Object.entries(requests)) {
    const method = isObject(question) ? String(question['method']) : '';
    const params = isObject(question) && isObject(question['params']) ? question['params'] : {};
    if (caller.ask === undefined || !mayAsk(caller.capabilities, method, params)) {
      throw new PlatformError(
        'CLIENT_CANNOT_ANSWER',
        `The tool asks the user (${method}), and this client cannot be asked. Use a client that declares the capability and keeps a session.`,
      );
    }
    answers.push({ key, text: await caller.ask(method, texts.get(key) ?? '{}') });
  }
  const members = [{ key: 'inputResponses', text: joinMembers(answers) }];
  const state = rawMembers(text, object).find((member) => member.key === 'requestState');
  return state === undefined ? members : [...members, state];
}

/** The `params` of each question as the target wrote them. */
function questionTexts(text: string, result: RawObject): ReadonlyMap<string, string> {
  const requests = result.members.find((entry) => entry.key === 'inputRequests')?.object?.members ?? [];
  const found = new Map<string, string>();
  for (const request of requests) {
    const params = request.object?.members.find((entry) => entry.key === 'params');
    if (params !== undefined) found.set(request.key, text.slice(params.start, params.end));
  }
  return found;
}

/**
 * A target may ask only what its caller declared.
 *
 * @param text - A result with `input_required`.
 * @throws PlatformError `CLIENT_CANNOT_ANSWER`, `TARGET_PROTOCOL_ERROR` for a result that asks nothing and has no
 *   state either: a client could only repeat its request for ever.
 */
export function checkQuestions(text: string, capabilities: Readonly<Record<string, unknown>>): void {
  const value: unknown = JSON.parse(text);
  if (isObject(value) && value['inputRequests'] === undefined && value['requestState'] === undefined)
    throw new PlatformError(
      'TARGET_PROTOCOL_ERROR',
      'The target answered input_required without inputRequests and without requestState, so nobody knows what it waits for. Report it to its author.',
    );
  const requests = isObject(value) && isObject(value['inputRequests']) ? Object.values(value['inputRequests']) : [];
  for (const question of requests) {
    const method = isObject(question) ? String(question['method']) : '';
    if (isObject(question) && mayAsk(capabilities, method, question['params'])) continue;
    throw new PlatformError(
      'CLIENT_CANNOT_ANSWER',
      `The tool asks the user (${method}), which this client did not declare. Use a client that declares the capability.`,
    );
  }
}
