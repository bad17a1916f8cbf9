/**
 * What a simulated cloud answers beside its vendor's own API: what it holds, and what shall go wrong. For programs of this
 * machine that have the development token.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import type { Clock, JsonValue } from '../../core/ports.ts';
import { faultsAsJson, readRule } from './faults.ts';
import type { Faults } from './faults.ts';
import type { Held, SimulatedState } from './simulated-state.ts';

export interface SimulatedControl {
  readonly state: SimulatedState;
  readonly faults: Faults;
  readonly clock: Clock;
  /** What the cloud holds elsewhere than in {@link state}; listed after it. */
  readonly alsoHeld?: () => Promise<readonly Held[]>;
  /** What bearers of these routes send; the development token. */
  readonly token: string;
}

export interface ControlRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The header as it came. */
  readonly authorization: string | undefined;
  readonly body: Uint8Array;
}

export interface ControlReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** On every answer of a simulated cloud. */
export const SIMULATED_HEADER = { 'x-zeroplane-label': 'simulated' } as const;
const PREFIX = '/_zeroplane/';

/** Whether {@link answerControl} is asked, and not the vendor's API: no vendor has such paths. */
export function isControlPath(path: string): boolean {
  return path.startsWith(PREFIX);
}

/** Answers whatever comes; refusals too. */
export async function answerControl(control: SimulatedControl, request: ControlRequest): Promise<ControlReply> {
  if (!isBearer(request.authorization, control.token))
    return reply(401, problem('UNAUTHENTICATED', 'Send the development token as bearer: `zeroplane token` prints it.'));
  try {
    const route = `${request.method} ${request.path.slice(PREFIX.length)}`;
    const answer = await ROUTES.get(route)?.(control, request);
    return answer ?? reply(404, problem('NOT_FOUND', `There are: ${[...ROUTES.keys()].join(', ')}.`));
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return reply(error.status, problem(error.code, error.message));
  }
}

type Route = (control: SimulatedControl, request: ControlRequest) => Promise<ControlReply> | ControlReply;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['GET contents', contents],
  ['GET faults', ({ faults }) => reply(200, faultsAsJson(faults))],
  ['POST faults', setFaults],
  ['DELETE faults', takeBack],
]);

async function contents(control: SimulatedControl, { query }: ControlRequest): Promise<ControlReply> {
  const { state, alsoHeld, clock } = control;
  const limit = Number(query.get('limit') ?? 1_000);
  const [kind, cursor] = [query.get('kind'), query.get('cursor')];
  const page = await state.page({
    limit,
    ...(kind === null ? {} : { kind }),
    ...(cursor === null ? {} : { cursor }),
  });
  const { next = null } = page;
  const more = next === null ? ((await alsoHeld?.()) ?? []) : [];
  const there = page.contents.filter(({ value }) => !isGone(value, clock.nowMs()));
  const held = [...there, ...more.filter((each) => kind === null || each.kind === kind)];
  return reply(200, { cloud: state.cloud, label: 'simulated', contents: held.map((each) => ({ ...each })), next });
}

/** Of what is deleted some clouds remember for a while that there was one: a queue's name, an instance's end. */
function isGone(value: Held['value'], nowMs: number): boolean {
  const { goneAtMs } = value;
  return typeof goneAtMs === 'number' && goneAtMs > 0 && nowMs >= goneAtMs;
}

/** One rule, or a list of rules that are set together. */
function setFaults({ faults }: SimulatedControl, { body }: ControlRequest): ControlReply {
  const value = parse(body);
  const rules = (Array.isArray(value) ? value : [value]).map(readRule);
  return reply(201, { faults: rules.map((rule) => ({ ...faults.add(rule) })) });
}

function takeBack({ faults }: SimulatedControl, { query }: ControlRequest): ControlReply {
  const removed = faults.remove(query.get('id') ?? undefined);
  if (query.get('id') === null) faults.forgetCounts();
  return reply(200, { removed });
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    throw new PlatformError('INVALID_ARGUMENTS', 'The body is not JSON. Send a fault, or a list of them.');
  }
}

function reply(status: number, value: JsonValue): ControlReply {
  return { status, headers: { 'content-type': 'application/json', ...SIMULATED_HEADER }, body: JSON.stringify(value) };
}

function problem(code: string, detail: string): JsonValue {
  return { code, detail };
}

/** In a time that says nothing of where the two differ. */
export function isBearer(authorization: string | undefined, token: string): boolean {
  const sent = /^Bearer +(.+?) *$/i.exec(authorization ?? '')?.[1];
  if (sent === undefined || token === '') return false;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(sent), digest(token));
}
