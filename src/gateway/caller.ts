/** The client's side of one request, whichever revision it speaks, and how a target reaches it meanwhile. */

import { PlatformError } from '../core/errors.ts';
import { isObject, withMember } from '../core/json.ts';
import type { Exchange } from '../core/target.ts';
import { passesLogLevel } from '../protocol/era-2025.ts';
import type { HeaderMap } from '../protocol/era-2026.ts';

export interface Caller {
  readonly modern: boolean;
  readonly version: string;
  readonly headers: HeaderMap;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly logLevel: string | undefined;
  /** JSON text of the token the client chose; absent when it wants no progress. */
  readonly progressToken: string | undefined;
  readonly idempotencyKey: string | undefined;
  notify(method: string, paramsText: string): void;
  /** Legacy sessions only: asks on the open stream. Modern callers are asked by `input_required`. */
  readonly ask?: (method: string, paramsText: string) => Promise<string>;
}

/** Client capabilities that this gateway can relay to a target. Extensions only as far as we route them. */
const RELAYED_EXTENSIONS: ReadonlySet<string> = new Set(['io.modelcontextprotocol/ui']);

const NO_CAPABILITIES: Readonly<Record<string, unknown>> = Object.freeze({});

/** Whether a target can put questions to the caller at all. */
export function canBeAsked({ modern, ask, capabilities }: Caller): boolean {
  if (!modern && ask === undefined) return false;
  const { elicitation, sampling, roots } = capabilities;
  return elicitation !== undefined || sampling !== undefined || roots !== undefined;
}

export function relayedCapabilities(caller: Caller): Readonly<Record<string, unknown>> {
  if (Object.keys(caller.capabilities).length === 0) return NO_CAPABILITIES;
  const out: Record<string, unknown> = {};
  if (caller.modern || caller.ask !== undefined) {
    for (const key of ['elicitation', 'sampling', 'roots'])
      if (caller.capabilities[key] !== undefined) out[key] = caller.capabilities[key];
  }
  const extensions = caller.capabilities['extensions'];
  if (isObject(extensions)) {
    const kept = Object.entries(extensions).filter(([key]) => RELAYED_EXTENSIONS.has(key));
    if (kept.length > 0) out['extensions'] = Object.fromEntries(kept);
  }
  return out;
}

/** Whether a client that declared `capabilities` may be asked this. Elicitation without modes means forms. */
export function mayAsk(capabilities: Readonly<Record<string, unknown>>, method: string, params: unknown): boolean {
  if (method === 'sampling/createMessage') return capabilities['sampling'] !== undefined;
  if (method === 'roots/list') return capabilities['roots'] !== undefined;
  if (method !== 'elicitation/create') return false;
  const elicitation = capabilities['elicitation'];
  if (!isObject(elicitation)) return false;
  const mode = isObject(params) && params['mode'] === 'url' ? 'url' : 'form';
  return mode === 'url'
    ? elicitation['url'] !== undefined
    : elicitation['form'] !== undefined || elicitation['url'] === undefined;
}

/** Whether a client takes log messages at all. 2026-07-28: only for a request that named a level. */
export function takesLogs({ modern, logLevel }: Caller): boolean {
  return !modern || logLevel !== undefined;
}

export interface Question {
  readonly key: string;
  readonly method: string;
  readonly paramsText: string;
  answer(resultText: string): void;
  refuse(error: Error): void;
}

/**
 * What a target sees of the caller. The caller behind it can change: a call that is held while its client gathers
 * answers goes on with the client's next request.
 */
export class CallExchange implements Exchange {
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly canAsk: boolean;
  readonly logLevel: string | undefined;
  readonly wantsProgress: boolean;
  /** `undefined` while the client is away gathering answers. */
  caller: Caller | undefined;
  /** Name to put in front of what a user or an operator reads; `undefined` where the endpoint has one target. */
  readonly #label: string | undefined;
  readonly #hold: (method: string, paramsText: string) => Promise<string>;

  constructor(
    caller: Caller,
    label: string | undefined,
    hold: (method: string, paramsText: string) => Promise<string>,
  ) {
    this.caller = caller;
    this.capabilities = relayedCapabilities(caller);
    this.canAsk = caller.modern || caller.ask !== undefined;
    this.logLevel = caller.logLevel;
    this.wantsProgress = caller.progressToken !== undefined;
    this.#label = label;
    this.#hold = hold;
  }

  notify(method: string, paramsText: string): void {
    const { caller } = this;
    if (caller === undefined) return;
    if (method === 'notifications/progress') {
      if (caller.progressToken === undefined) return;
      const rest = paramsText.slice(paramsText.indexOf('{') + 1).trimStart();
      caller.notify(method, `{"progressToken":${caller.progressToken}${rest.startsWith('}') ? '' : ','}${rest}`);
      return;
    }
    if (method === 'notifications/message') this.#log(caller, paramsText);
  }

  #log(caller: Caller, paramsText: string): void {
    if (!takesLogs(caller)) return;
    const params: unknown = JSON.parse(paramsText);
    if (!isObject(params) || !passesLogLevel(params['level'], caller.logLevel)) return;
    if (this.#label === undefined) {
      caller.notify('notifications/message', paramsText);
      return;
    }
    const logger = typeof params['logger'] === 'string' ? `${this.#label}/${params['logger']}` : this.#label;
    caller.notify('notifications/message', withMember(paramsText, 'logger', JSON.stringify(logger)));
  }

  ask(method: string, paramsText: string): Promise<string> {
    const params: unknown = JSON.parse(paramsText);
    if (!this.canAsk || !mayAsk(this.capabilities, method, params)) {
      return Promise.reject(
        new PlatformError(
          'CLIENT_CANNOT_ANSWER',
          `The client cannot answer ${method}: it did not declare the capability, or its connection cannot carry questions.`,
        ),
      );
    }
    // A question that becomes part of a result is labelled there, with everything else that is made public.
    if (this.caller?.ask === undefined) return this.#hold(method, paramsText);
    return this.caller.ask(method, labelQuestion(method, params, { label: this.#label, text: paramsText }));
  }
}

/** Puts the target's name in front of what a user is asked, so that the user sees who asks. */
function labelQuestion(method: string, params: unknown, at: { label: string | undefined; text: string }): string {
  if (
    at.label === undefined ||
    method !== 'elicitation/create' ||
    !isObject(params) ||
    typeof params['message'] !== 'string'
  )
    return at.text;
  return withMember(at.text, 'message', JSON.stringify(`[${at.label}] ${params['message']}`));
}
