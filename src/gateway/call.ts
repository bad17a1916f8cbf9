/**
 * One call, straight down: resolve, decide, hand to the target, and turn whatever comes back into one outcome. Era
 * bridging happens here: a modern caller is asked by `input_required`, a legacy one on its stream.
 */

import type { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject, textOf } from '../core/json.ts';
import type { CallEvent, Clock, EventPort } from '../core/ports.ts';
import type { TargetCall } from '../core/target.ts';
import type { Decision, Policy } from '../policy/decide.ts';
import type { HeaderMap } from '../protocol/era-2026.ts';
import { checkHeaderParameters, travellingMeta } from '../protocol/era-2026.ts';
import type { Message } from '../protocol/message.ts';
import { MODERN_VERSION } from '../protocol/versions.ts';
import type { Caller } from './caller.ts';
import { asToolResult, codeOf, isInputRequired, outcomeOf, outcomeOfResult } from './call-outcome.ts';
import type { Catalogue } from './catalogue.ts';
import type { HoldTable, Turn } from './hold.ts';
import { RunningCall, requestDigest } from './hold.ts';
import { answerRound, checkQuestions, valuesOf } from './input-rounds.ts';
import type { Ledger } from './ledger.ts';
import { actionOf, publicResult, requestedName, resolve } from './resolve.ts';
import type { Resolved } from './resolve.ts';
import { RESULT_URI } from './results.ts';
import type { ResultStore } from './results.ts';
import { CALL_TOOL, SEARCH_TOOL, searchResult } from './search.ts';
import type { SearchTools } from './search.ts';
import { innerCall, isSearchCall, toolError } from './search-calls.ts';
import { childTrace, withTrace } from './trace.ts';
import type { Endpoint, View } from './view.ts';

/** Rounds of questions that a modern target may put to a legacy client within one call; the SDKs' own cap. */
const MAX_ROUNDS = 8;
const MAX_HOPS = 4;
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
    const decision = resolved && (await this.#decide(request, resolved));
    if (resolved === undefined || decision === undefined || !(decision.allowed || decision.visible))
      throw await this.#unknown(request);
    if (!decision.allowed) return this.#observed(request, resolved, refusedBy(decision, message));
    if (context.hops >= MAX_HOPS) {
      throw new PlatformError(
        'GATEWAY_LOOP',
        `The call has passed ${context.hops} gateways. Look for a gateway that lists itself as a target.`,
      );
    }
    this.#checkHeaders(resolved, request.message, request.caller);
    return await this.#observed(request, resolved);
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

  #decide(request: CallRequest, resolved: Resolved): Promise<Decision> {
    const { context, message } = request;
    const args = message.parsed['arguments'];
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
    const targets = this.#parts.catalogue.targetIds(context.tenant);
    const resources = targets.map((id) => ({ type: 'target', id, tenant: context.tenant }));
    const decisions = await this.#parts.policy.decideMany(context.principal, actionOf(message.method), resources, {
      requestId: context.requestId,
    });
    const knownTargets = targets.filter((_, index) => decisions[index]?.visible === true);
    return new PlatformError(
      'UNKNOWN_NAME',
      `Unknown ${what} or not allowed: ${requestedName(message).slice(0, 256)}`,
      { knownTargets },
    );
  }

  /** Row 13 of the ladder; the headers name arguments, so the tool must be known first. */
  #checkHeaders(resolved: Resolved, message: Message, caller: Caller): void {
    const headers: HeaderMap = caller.headers;
    const parameters = resolved.published?.headers ?? [];
    if (caller.modern && parameters.length > 0) checkHeaderParameters(parameters, message.parsed['arguments'], headers);
  }

  /** @param refusal - Why the call may not be made; it is told as a call that was denied. */
  async #observed(request: CallRequest, resolved: Resolved, refusal?: PlatformError): Promise<string> {
    const { events, clock } = this.#parts;
    const { context, message } = request;
    const startedMs = clock.monotonicMs();
    const event = (type: CallEvent['type'], ended: Ended): CallEvent => ({
      type,
      requestId: context.requestId,
      tenant: context.tenant,
      principal: context.principal.id,
      method: message.method,
      target: resolved.target.id,
      name: resolved.name,
      atMs: clock.nowMs(),
      durationMs: ended.durationMs,
      outcome: ended.outcome,
      errorCode: ended.errorCode,
      traceparent: context.trace.traceparent,
      tags: ended.outcome === undefined ? undefined : resolved.published?.definition.tags,
    });
    if (events.isHeard) events.emit(event('call-started', NOT_ENDED));
    const end = (outcome: CallEvent['outcome'], errorCode?: string): void => {
      if (!events.isHeard) return;
      events.emit(event('call-ended', { durationMs: clock.monotonicMs() - startedMs, outcome, errorCode }));
    };
    try {
      if (refusal !== undefined) throw refusal;
      const text = await this.#ledgered(request, resolved);
      end(outcomeOfResult(text));
      return text;
    } catch (error) {
      const failure = asToolResult(error, request, { target: resolved.target.id, requestId: context.requestId });
      const outcome = outcomeOf(error);
      end(failure === undefined || outcome === 'denied' ? outcome : 'tool-error', codeOf(error));
      if (failure === undefined) throw error;
      return failure;
    }
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
    const { holds, results } = this.#parts;
    const { message, caller, context, endpoint } = request;
    const ours = caller.modern && holds.isOurs(message, context.principal);
    if (caller.modern && !ours && message.parsed['requestState'] !== undefined)
      await this.#checkState(request, resolved);
    const running = ours
      ? holds.resume(message, resolved.target.id, { caller, principal: context.principal })
      : this.#start(request, resolved);
    if (ours) context.onAbort((reason) => running.context.abort(reason));
    const turn = await running.next();
    const isPlain = turn.kind === 'result' && (caller.modern || !isInputRequired(turn.text));
    const text = isPlain ? turn.text : await this.#bridged(turn, { request, resolved, running });
    if (isPlain && isInputRequired(text)) checkQuestions(text, running.exchange.capabilities);
    const shown = endpoint === '' && resolved.target.id !== 'registry' ? publicResult(text, resolved.target) : text;
    const isLarge = message.method === 'tools/call' && results.isLarge(shown);
    return isLarge ? results.offload(shown, context, caller.version) : shown;
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
    const { caller, context, endpoint } = request;
    const running = new RunningCall(caller, {
      label: endpoint === '' ? resolved.target.id : undefined,
      context,
      clock: this.#parts.clock,
    });
    running.start(resolved.target.call(targetCall(request, resolved), running.exchange, context));
    return running;
  }

  /** A turn that is no plain result: a failure, questions to park, or questions that a legacy client is asked now. */
  async #bridged(turn: Turn, at: { request: CallRequest; resolved: Resolved; running: RunningCall }): Promise<string> {
    const { request, resolved, running } = at;
    const { context, message } = request;
    if (turn.kind === 'failed') return this.#afterFailure(turn.error, request, resolved);
    if (turn.kind === 'questions' && !MAY_BE_ASKED.has(message.method)) {
      const error = new PlatformError('CLIENT_CANNOT_ANSWER', `Nobody can be asked during ${message.method}.`);
      running.abandon(error);
      throw error;
    }
    if (turn.kind === 'questions')
      return this.#parts.holds.park(running, resolved.target.id, {
        principal: context.principal,
        digest: requestDigest(message),
      });
    return this.#askLegacy(request, resolved, turn.text);
  }

  /**
   * A server that found our headers at odds with its schema has changed the schema: its list is read once more, and
   * the call repeated with it. Every other failure stays one.
   */
  async #afterFailure(error: unknown, request: CallRequest, resolved: Resolved): Promise<string> {
    const isStale = error instanceof PlatformError && error.details['upstreamCode'] === -32020;
    if (!isStale || resolved.published === undefined) throw error;
    const { catalogue } = this.#parts;
    await catalogue.relist(resolved.target, request.context.tenant);
    const view = await catalogue.view(request.context.tenant, request.endpoint);
    const again = resolve(view, request.endpoint, request.message);
    if (again === undefined || again.published?.definition.text === resolved.published.definition.text) throw error;
    const running = this.#start(request, again);
    const turn = await running.next();
    if (turn.kind === 'failed') throw turn.error;
    return turn.kind === 'result' ? turn.text : this.#bridged(turn, { request, resolved: again, running });
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

type Ended = Pick<CallEvent, 'durationMs' | 'outcome' | 'errorCode'>;

const NOT_ENDED: Ended = { durationMs: undefined, outcome: undefined, errorCode: undefined };

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
  };
}

/** The caller may see the thing, but not call it like this. */
function refusedBy(decision: Decision, message: Message): PlatformError {
  const rule = decision.rule ?? 'policy';
  const reason = decision.reason === undefined ? '' : `: ${decision.reason}`;
  return new PlatformError('FORBIDDEN', `The rule "${rule}" refused this call of ${requestedName(message)}${reason}.`, {
    rule,
  });
}
