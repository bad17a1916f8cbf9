/** `call`: one tool call, with its progress, its questions and its result. */

import { PlatformError, UpstreamRpcError } from '../../core/errors.ts';
import type { InstanceClient, RpcResult } from '../client.ts';
import { headerValue } from '../client.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { contentText } from '../content-text.ts';
import { answerQuestions } from '../elicit.ts';
import { EventQueue } from '../event-queue.ts';
import { EXIT } from '../exit-codes.ts';
import { connectToInstance } from '../instance.ts';
import { toolArguments } from '../tool-arguments.ts';
import { textOf } from '../style.ts';
import type { ToolArguments } from '../tool-arguments.ts';
import { listTools } from './tools.ts';

/** A tool that still asks after this many rounds will not come to an end. */
const MAX_ROUNDS = 8;
const HEADER_MISMATCH = -32020;
const MISSING_CAPABILITY = -32021;

interface Call {
  readonly client: InstanceClient;
  readonly name: string;
  readonly args: ToolArguments;
  readonly context: CliContext;
  readonly events: EventQueue<CliEvent>;
  readonly isStreaming: boolean;
  readonly idempotencyKey: string | undefined;
}

export async function* callVerb(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  const [name = '', ...words] = invocation.words;
  const json = invocation.text('json');
  const args = toolArguments(words, json === '-' ? await context.terminal.readStdin() : json);
  const client = await connectToInstance(invocation, context);
  const events = new EventQueue<CliEvent>();
  const isStreaming = invocation.isSet('stream') || invocation.output === 'stream-json';
  const answer = rounds({
    client,
    name,
    args,
    context,
    events,
    isStreaming,
    idempotencyKey: invocation.text('idempotencyKey'),
  });
  // The queue ends with the call either way; its failure is thrown by the await below.
  answer.then(
    () => events.end(),
    () => events.end(),
  );
  yield* events;
  const { value, text } = await answer;
  yield { type: 'result', value, json: text, text: () => contentText(value) };
  if (value['isError'] !== true) return EXIT.ok;
  const hint = textHint(words);
  if (hint !== undefined) yield { type: 'log', level: 'info', message: hint };
  return EXIT.toolError;
}

/** A number that was typed as text is the usual reason why arguments do not fit. */
function textHint(words: readonly string[]): string | undefined {
  const word = words.find((candidate) => /^[^=:]+=(-?\d+(\.\d+)?|true|false|null|[[{].*)$/.test(candidate));
  return word === undefined ? undefined : `hint: ${word} is sent as text; ${word.replace('=', ':=')} sends the value`;
}

/** Calls until the tool has stopped asking. */
async function rounds(call: Call): Promise<RpcResult> {
  let more: ReadonlyMap<string, string> = new Map();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const answer = await callWithHeaders(call, more);
    if (answer.value['resultType'] !== 'input_required') return answer;
    more = await nextRound(answer.value, call.context);
  }
  throw new PlatformError(
    'TARGET_PROTOCOL_ERROR',
    `The tool "${call.name}" still asks questions after ${MAX_ROUNDS} rounds.`,
  );
}

async function nextRound(value: Readonly<Record<string, unknown>>, context: CliContext): Promise<Map<string, string>> {
  const more = new Map<string, string>();
  const requests = value['inputRequests'];
  if (requests !== undefined)
    more.set('inputResponses', JSON.stringify(await answerQuestions(requests, context.terminal)));
  if (value['requestState'] !== undefined) more.set('requestState', JSON.stringify(value['requestState']));
  return more;
}

/** Some parameters must stand in headers too; the gateway says so, and the tool's schema says which. */
async function callWithHeaders(call: Call, more: ReadonlyMap<string, string>): Promise<RpcResult> {
  try {
    return await callOnce(call, more, {});
  } catch (error) {
    if (isMissingHeader(error)) return callOnce(call, more, await parameterHeaders(call));
    throw explain(error, call.name);
  }
}

function callOnce(call: Call, more: ReadonlyMap<string, string>, headers: Record<string, string>): Promise<RpcResult> {
  const { name, isStreaming, idempotencyKey } = call;
  return call.client.call({
    method: 'tools/call',
    name,
    params: new Map([['name', JSON.stringify(name)], ['arguments', call.args.text], ...more]),
    headers: { ...headers, ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }) },
    meta: isStreaming ? { progressToken: name, 'io.modelcontextprotocol/logLevel': 'info' } : {},
    capabilities: call.context.terminal.canAsk ? { elicitation: { form: {} } } : {},
    onNotification: (method, params) => notify(call, method, params),
  });
}

function notify(call: Call, method: string, params: Readonly<Record<string, unknown>>): void {
  if (!call.isStreaming) return;
  const text = method === 'notifications/progress' ? progressText(params) : JSON.stringify(params['data'] ?? params);
  call.events.push({ type: 'event', event: { type: method.replace('notifications/', ''), ...params }, text });
}

function progressText(params: Readonly<Record<string, unknown>>): string {
  const { progress, total, message } = params;
  const share = typeof total === 'number' ? `${textOf(progress)}/${total}` : textOf(progress);
  return typeof message === 'string' ? `${share}  ${message}` : share;
}

function isMissingHeader(error: unknown): boolean {
  if (error instanceof PlatformError) return error.code === 'HEADER_MISMATCH';
  return error instanceof UpstreamRpcError && error.rpcCode === HEADER_MISMATCH;
}

async function parameterHeaders(call: Call): Promise<Record<string, string>> {
  const tool = (await listTools(call.client)).find((candidate) => candidate.name === call.name);
  const headers: Record<string, string> = {};
  for (const [key, schema] of Object.entries(tool?.inputSchema?.properties ?? {})) {
    const suffix = (schema as Record<string, unknown>)['x-mcp-header'];
    const value = call.args.value[key];
    if (typeof suffix === 'string' && value !== undefined && value !== null)
      headers[`Mcp-Param-${suffix}`] = headerValue(textOf(value));
  }
  return headers;
}

/** A call that failed because nobody here can be asked gets told where it would work. */
function explain(error: unknown, name: string): unknown {
  const isQuestion =
    (error instanceof UpstreamRpcError && error.rpcCode === MISSING_CAPABILITY) ||
    (error instanceof PlatformError && error.code === 'MISSING_CLIENT_CAPABILITY');
  if (!isQuestion) return error;
  const message = `The tool "${name}" needs to ask something, and here nobody can answer. Call it from a terminal.`;
  return new PlatformError('CLIENT_CANNOT_ANSWER', message, {}, { cause: error });
}
