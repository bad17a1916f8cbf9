/**
 * One call, straight down: resolve, decide, hand to the target, and turn whatever comes back into one outcome. Era
 * bridging happens here: a modern caller is asked by `input_required`, a legacy one on its stream.
 */

import type { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject, textOf } from '../core/json.ts';
import type { Clock, EventPort } from '../core/ports.ts';
import type { TargetCall } from '../core/target.ts';
import type { Decision, Policy } from '../policy/decide.ts';
import type { HeaderParameter } from '../protocol/era-2026.ts';
import { checkHeaderParameters, travellingMeta } from '../protocol/era-2026.ts';
import type { Message } from '../protocol/message.ts';
import { MODERN_VERSION } from '../protocol/versions.ts';
import { CallExchange, canBeAsked, relayedCapabilities } from './caller.ts';
import type { Caller } from './caller.ts';
import { asToolResult, codeOf, isInputRequired, outcomeOf, outcomeOfResult } from './call-outcome.ts';
import type { Catalogue } from './catalogue.ts';
import type { HoldTable } from './hold.ts';
import { RunningCall, requestDigest } from './hold.ts';
import { answerRound, checkQuestions, valuesOf } from './input-rounds.ts';
import type { Ledger } from './ledger.ts';
import { Observation } from './observation.ts';
import { targetResource } from './publish.ts';
import { actionOf, publicResult, requestedName, resolve } from './resolve.ts';
import type { Resolved } from './resolve.ts';
import { RESULT_URI } from './results.ts';
import type { ResultStore } from './results.ts';
import { CALL_TOOL, SEARCH_TOOL, searchResult } from './search.ts';
import type { SearchTools } from './search.ts';
import { innerCall, isSearchCall, toolError } from './search-calls.ts';
import { childTrace, withTrace } from './trace.ts';
import { urlQuestions } from './url-questions.ts';
import type { Endpoint, View } from './view.ts';

/** Rounds of questions that a modern target may put to a legacy client within one call; the SDKs' own cap. */
const MAX_ROUNDS = 8;
const MAX_HOPS = 4;
const NO_PARAMETERS: readonly HeaderParameter[] = [];
/** The only requests that 2026-07-28 lets answer with `input_required`. */
const MAY_BE_ASKED: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

export interface CallParts {
  readonly catalogue: Catalogue;
  readonly policy: Policy;
  readonly events: EventPort;
  readonly clock: Clock;
  readonly holds: HoldTable;
  readonly ledger: Ledger;
  readonly results: ResultStore;
  readonly search: SearchTools;
}

export interface CallRequest {
  readonly endpoint: Endpoint;
  readonly message: Message;
  readonly caller: Caller;
  readonly context: Context;
}

/** Runs one call to its result text, still in the form that 2026-07-28 and the target share. */
export class CallRunner {
  readonly #parts: CallParts;

  constructor(parts: CallParts) {
    this.#parts = parts;
  }

  /**
   * @returns the text of `result`, with public names and URIs.
   * @throws PlatformError, UpstreamRpcError: the caller encodes them.
   */
  async run(request: CallRequest): Promise<string> {
    const { endpoint, message, context } = request;
    context.trace = childTrace(message.parsedMeta, context.trace);
    const { catalogue } = this.#parts;
    const view = catalogue.current(context.tenant, endpoint) ?? (await catalogue.view(context.tenant, endpoint));
    if (message.method === 'resources/read' && requestedName(message).startsWith(RESULT_URI))
      return this.#parts.results.read(requestedName(message), context);
    if (endpoint === '' && isSearchCall(message)) {
      const searched = await this.#search(request, view);
      if (searched !== undefined) return searched;
    }
    const resolved = resolve(view, endpoint, message);
    const decided = resolved && this.#decide(request, resolved);
    const decision = decided instanceof Promise ? await decided : decided;
    if (resolved === undefined || decision === undefined || !(decision.allowed || decision.visible))
      throw await this.#unknown(request);
    if (decision.allowed) checkCall(request, resolved);
    const observation = this.#observe(request, resolved);
    try {
      refuseUnlessAllowed(decision, message);
      const text = await this.#ledgered(request, resolved);
      observation?.end(outcomeOfResult(text));
      return text;
    } catch (error) {
      return toldAsResult(await this.#asHidden(error, request), { request, resolved, observation });
    }
  }

  /** A name that a target of ours does not know is told of in the words that a hidden name gets. */
  async #asHidden(error: unknown, request: CallRequest): Promise<unknown> {
    const isUnknown = error instanceof PlatformError && error.code === 'UNKNOWN_NAME';
    return isUnknown ? this.#unknown(request) : error;
  }

  /** Listeners hear of the call from here to its end; `undefined` when nobody listens. */
  #observe(request: CallRequest, resolved: Resolved): Observation | undefined {
    const { events, clock } = this.#parts;
    return events.isHeard ? new Observation({ events, clock, request, resolved }) : undefined;
  }

  /** The gateway's own two tools, while they stand in for a long list. A registered tool of that name wins. */
  async #search(request: CallRequest, view: View): Promise<string | undefined> {
    const { message, context } = request;
    const name = message.parsed['name'];
    if (view.listed('tools', textOf(name)) !== undefined) return undefined;
    const { policy, search } = this.#parts;
    const resources = view.lists.tools.map((tool) => tool.resource);
    const decisions = await policy.decideMany(context.principal, 'tool:call', resources, {
      requestId: context.requestId,
    });
    if (!search.isActive(view, '', decisions)) return undefined;
    const args = isObject(message.parsed['arguments']) ? message.parsed['arguments'] : {};
    if (name === SEARCH_TOOL) {
      if (typeof args['query'] !== 'string')
        return toolError('INVALID_ARGUMENTS: "query" must be text that says what the tool should do.');
      return searchResult(search.find(view, args['query'], { decisions, limit: args['limit'] }));
    }
    if (typeof args['name'] !== 'string' || args['name'] === CALL_TOOL)
      return toolError('INVALID_ARGUMENTS: "name" must be the name of a tool that search_tools found.');
    return this.run({ ...request, message: innerCall(message, args['name']) });
  }

  #decide(request: CallRequest, resolved: Resolved): Promise<Decision> | Decision {
    const { context } = request;
    const args = resolved.parsed['arguments'];
    return this.#parts.policy.decide({
      principal: context.principal,
      action: resolved.action,
      resource: resolved.resource,
      context: isObject(args) ? { requestId: context.requestId, arguments: args } : { requestId: context.requestId },
    });
  }

  /** The same answer for a name that does not exist and one that the caller may not see. */
  async #unknown(request: CallRequest): Promise<PlatformError> {
    const { context, message } = request;
    const what = message.method.startsWith('prompts/')
      ? 'prompt'
      : message.method.startsWith('resources/')
        ? 'resource'
        : 'tool';
    const resources = this.#parts.catalogue
      .targets(context.tenant)
      .map((target) => targetResource(target, context.tenant));
    const decisions = await this.#parts.policy.decideMany(context.principal, actionOf(message.method), resources, {
      requestId: context.requestId,
    });
    const knownTargets = resources.filter((_, index) => decisions[index]?.visible === true).map(({ id }) => id);
    return new PlatformError(
      'UNKNOWN_NAME',
      `Unknown ${what} or not allowed: ${requestedName(message).slice(0, 256)}`,
      { knownTargets },
    );
  }

  #ledgered(request: CallRequest, resolved: Resolved): Promise<string> {
    const { caller, context, message } = request;
    if (caller.idempotencyKey === undefined || message.method !== 'tools/call') return this.#once(request, resolved);
    const entry = {
      key: caller.idempotencyKey,
      tool: resolved.resource.id,
      digest: requestDigest({ ...message, params: resolved.params }),
    };
    return this.#parts.ledger.once(context, entry, async () => {
      const text = await this.#once(request, resolved);
      return { text, final: !isInputRequired(text) };
    });
  }

  async #once(request: CallRequest, resolved: Resolved): Promise<string> {
    const { message, caller, context, endpoint } = request;
    const held = message.parsed['requestState'] === undefined ? undefined : await this.#held(request, resolved);
    const running = held ?? (canBeAsked(caller) ? this.#start(request, resolved) : undefined);
    let text: string;
    if (running === undefined) {
      try {
        // Without questions a call has one turn, and nobody who waits for it needs waking.
        ({ text } = await resolved.target.call(
          targetCall(request, resolved),
          new CallExchange(caller, labelOf(request, resolved), nobodyAnswers),
          context,
        ));
      } catch (error) {
        text = await this.#afterFailure(error, request, resolved);
      }
    } else text = await this.#nextTurn(running, request, resolved);
    if (isInputRequired(text)) text = await this.#asked(text, request, resolved);
    const shown = endpoint === '' && resolved.target.id !== 'registry' ? publicResult(text, resolved.target) : text;
    const { results } = this.#parts;
    const isLarge = message.method === 'tools/call' && results.isLarge(shown);
    return isLarge ? results.offload(shown, context, caller.version) : shown;
  }

  /** The call that waits for this request's answers, when its state is ours. */
  async #held(request: CallRequest, resolved: Resolved): Promise<RunningCall | undefined> {
    const { message, caller, context } = request;
    const { holds } = this.#parts;
    if (!caller.modern) return undefined;
    if (!holds.isOurs(message, context.principal)) {
      await this.#checkState(request, resolved);
      return undefined;
    }
    const running = holds.resume(message, resolved.target.id, { caller, principal: context.principal });
    context.onAbort((reason) => running.context.abort(reason));
    return running;
  }

  /** State that is not ours is a modern target's own and passes; an older target gave none. */
  async #checkState(request: CallRequest, resolved: Resolved): Promise<void> {
    const view = await this.#parts.catalogue.view(request.context.tenant, request.endpoint);
    const { target } = resolved;
    if (view.listing(target)?.protocolVersion === MODERN_VERSION || target.kind === 'in-process') return;
    throw new PlatformError(
      'INVALID_REQUEST_STATE',
      'requestState is not one that was given for this tool. Send the call again without it.',
    );
  }

  #start(request: CallRequest, resolved: Resolved): RunningCall {
    const { caller, context } = request;
    const running = new RunningCall(caller, {
      label: labelOf(request, resolved),
      context,
      clock: this.#parts.clock,
    });
    running.start(resolved.target.call(targetCall(request, resolved), running.exchange, context));
    return running;
  }

  /** Up to the result of a call or its next questions, which are parked. */
  async #nextTurn(running: RunningCall, request: CallRequest, resolved: Resolved): Promise<string> {
    const turn = await running.next();
    if (turn.kind === 'result') return turn.text;
    if (turn.kind === 'failed') return this.#afterFailure(turn.error, request, resolved);
    const { context, message } = request;
    if (!MAY_BE_ASKED.has(message.method)) {
      const error = new PlatformError('CLIENT_CANNOT_ANSWER', `Nobody can be asked during ${message.method}.`);
      running.abandon(error);
      throw error;
    }
    return this.#parts.holds.park(running, resolved.target.id, {
      principal: context.principal,
      digest: requestDigest(message),
    });
  }

  /** A result that asks: a modern caller gets it when it can answer, a legacy one is asked now. */
  #asked(text: string, request: CallRequest, resolved: Resolved): Promise<string> | string {
    if (!request.caller.modern) return this.#askLegacy(request, resolved, text);
    checkQuestions(text, relayedCapabilities(request.caller));
    return text;
  }

  /**
   * A server that found our headers at odds with its schema has changed the schema: its list is read once more, and
   * the call repeated with it. One that sends its user to a page first has asked. Every other failure stays one.
   */
  async #afterFailure(error: unknown, request: CallRequest, resolved: Resolved): Promise<string> {
    const { caller, message } = request;
    const asked = caller.modern && MAY_BE_ASKED.has(message.method) ? urlQuestions(error) : undefined;
    if (asked !== undefined) return asked;
    const isStale = error instanceof PlatformError && error.details['upstreamCode'] === -32020;
    if (!isStale || resolved.published === undefined) throw error;
    const { catalogue } = this.#parts;
    await catalogue.relist(resolved.target, request.context.tenant);
    const view = await catalogue.view(request.context.tenant, request.endpoint);
    const again = resolve(view, request.endpoint, request.message);
    if (again === undefined || again.published?.definition.text === resolved.published.definition.text) throw error;
    return this.#nextTurn(this.#start(request, again), request, again);
  }

  /** A modern target asked: put its questions to the legacy client and call again with the answers. */
  async #askLegacy(request: CallRequest, resolved: Resolved, first: string): Promise<string> {
    let text = first;
    for (let round = 0; round < MAX_ROUNDS && isInputRequired(text); round++) {
      // As a modern caller would see it: under the target's name.
      const shown = request.endpoint === '' ? publicResult(text, resolved.target) : text;
      const answered = await answerRound(shown, request.caller);
      const call = targetCall(request, resolved);
      const running = new RunningCall(request.caller, {
        label: undefined,
        context: request.context,
        clock: this.#parts.clock,
      });
      const result = await resolved.target.call(
        { ...call, params: [...call.params, ...answered], parsed: { ...call.parsed, ...valuesOf(answered) } },
        running.exchange,
        request.context,
      );
      text = result.text;
    }
    if (isInputRequired(text)) {
      throw new PlatformError(
        'TARGET_PROTOCOL_ERROR',
        `Target "${resolved.target.id}" still asks after ${MAX_ROUNDS} rounds of answers. Look at its log.`,
      );
    }
    return text;
  }
}

/** The result that tells of a failure. @throws the failure, where it is no result. */
function toldAsResult(
  error: unknown,
  at: { request: CallRequest; resolved: Resolved; observation: Observation | undefined },
): string {
  const { request, resolved, observation } = at;
  const told = asToolResult(error, request, { target: resolved.target.id, requestId: request.context.requestId });
  const outcome = outcomeOf(error);
  observation?.end(told === undefined || outcome === 'denied' ? outcome : 'tool-error', codeOf(error));
  if (told === undefined) throw error;
  return told;
}

/** Name to put in front of what a user reads, where an endpoint has more than one target. */
function labelOf({ endpoint }: CallRequest, { target }: Resolved): string | undefined {
  return endpoint === '' ? target.id : undefined;
}

function nobodyAnswers(): Promise<string> {
  return Promise.reject(new PlatformError('CLIENT_CANNOT_ANSWER', 'The client did not say that it can be asked.'));
}

/** @throws PlatformError `GATEWAY_LOOP`, and `HEADER_MISMATCH` of row 13: the headers name arguments, so the tool must be known first. */
function checkCall({ caller, context, message }: CallRequest, resolved: Resolved): void {
  if (context.hops >= MAX_HOPS) {
    throw new PlatformError(
      'GATEWAY_LOOP',
      `The call has passed ${context.hops} gateways. Look for a gateway that lists itself as a target.`,
    );
  }
  const parameters = resolved.published?.headers ?? NO_PARAMETERS;
  if (caller.modern && parameters.length > 0)
    checkHeaderParameters(parameters, message.parsed['arguments'], caller.headers);
}

function targetCall(request: CallRequest, resolved: Resolved): TargetCall {
  const { message, caller } = request;
  const annotations = resolved.published?.definition.value['annotations'];
  const hinted =
    isObject(annotations) && (annotations['readOnlyHint'] === true || annotations['idempotentHint'] === true);
  const isRead = message.method !== 'tools/call';
  return {
    method: message.method,
    name: resolved.name,
    params: resolved.params,
    meta: withTrace(travellingMeta(message.meta), request.context.trace),
    parsed: resolved.parsed,
    repeatable: isRead || hinted || caller.idempotencyKey !== undefined,
    definition: resolved.published?.definition,
    idempotencyKey: caller.idempotencyKey,
    messageId: message.idText,
  };
}

/** @throws PlatformError `FORBIDDEN`: the caller may see the thing, but not call it like this. */
function refuseUnlessAllowed(decision: Decision, message: Message): void {
  if (decision.allowed) return;
  const rule = decision.rule ?? 'policy';
  const reason = decision.reason === undefined ? '' : `: ${decision.reason}`;
  const what = `The rule "${rule}" refused this call of ${requestedName(message)}${reason}.`;
  throw new PlatformError('FORBIDDEN', what, { rule });
}
