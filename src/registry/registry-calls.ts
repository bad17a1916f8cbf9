/**
 * Calls of what the registry lists: arguments are held against their schema, the function gets its event, and its
 * answer becomes a result, held against the schema of answers where there is one.
 */

import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Exchange, TargetCall } from '../core/target.ts';
import { withoutWrapper } from '../core/wrapped-arguments.ts';
import { templateVariables } from '../protocol/uri-template.ts';
import { compatResult } from './compat-002.ts';
import type { FunctionCalls } from './function-calls.ts';
import { argsExtraEvent, clientContext, completeEvent, readEvent, toolEvent } from './function-event.ts';
import { failureOf } from './function-failure.ts';
import { replyWords, type Reply } from './function-reply.ts';
import {
  errorResult,
  promptResult,
  readResult,
  replyOf,
  toolResult,
  unwrapRpc,
  type FunctionAnswer,
} from './function-result.ts';
import type { PromptEntry, ResourceEntry, ToolEntry } from './tenant-catalogue.ts';
import { answerProblem, argumentProblem } from './validate-arguments.ts';
import { functionNameOf, type VersionedCalls } from './versioned-calls.ts';

/** What is invoked, and under which name. */
export type Invocable = Pick<ToolEntry, 'name' | 'functionName' | 'canary'>;

export interface RegistryCallsParts {
  readonly calls: FunctionCalls;
  readonly versions: VersionedCalls;
  /** Whether a function serves a tenant, by its name. */
  readonly serves: (functionName: string, tenant: string) => boolean;
  /** Words for a function that is not there, or not there for the tenant. */
  readonly absent: (entry: Invocable, tenant: string) => PlatformError;
  /** Answers in the words of the earlier Lambda tool servers. */
  readonly isCompat002?: boolean | undefined;
}

/** One call on its way. */
export interface Asked {
  readonly call: TargetCall;
  readonly exchange?: Exchange | undefined;
  readonly context: RequestContext;
}

interface Sending {
  readonly payload: string;
  readonly context: RequestContext;
  readonly exchange?: Exchange | undefined;
  readonly call?: TargetCall | undefined;
  readonly isStreaming?: boolean;
}

const MAX_COMPLETIONS = 100;
const MAX_WORDS = 2000;

export class RegistryCalls {
  readonly #parts: RegistryCallsParts;

  constructor(parts: RegistryCallsParts) {
    this.#parts = parts;
  }

  /** @throws PlatformError for a call that failed around the function; what the function said itself is the result. */
  async callTool(tool: ToolEntry | undefined, asked: Asked): Promise<string> {
    if (tool === undefined) throw unknown('tool', asked.call.name);
    const { isCompat002 = false } = this.#parts;
    const { argumentsIn } = tool.definition;
    const call = argumentsIn === undefined ? asked.call : withoutWrapper(asked.call, argumentsIn);
    const { context, exchange } = asked;
    const { requestId } = context;
    const problem = await argumentProblem(tool.digest, tool.schema, call.parsed['arguments'] ?? {});
    if (problem !== undefined) {
      const message = `${problem} The parameters of "${tool.name}" are described in tools/list.`;
      return errorResult({ code: 'INVALID_ARGUMENTS', message, requestId });
    }
    const payload = toolEvent(tool.event, call, context);
    const answer = await this.#send(tool, { payload, context, exchange, call, isStreaming: tool.isStreaming });
    logFailure(tool, answer, context);
    if (isCompat002) return compatResult(functionNameOf(tool), answer);
    throwIfTimedOut(tool, answer);
    return this.#result(tool, tool.event === 'mcp' ? unwrapRpc(answer) : answer, requestId);
  }

  async #result(tool: ToolEntry, answer: FunctionAnswer, requestId: string): Promise<string> {
    const { text, isError, structured } = toolResult(tool.name, answer, requestId);
    if (tool.outputSchema === undefined || isError) return text;
    const problem =
      structured === undefined
        ? 'It is no JSON object of up to 6 MB.'
        : await answerProblem(tool.digest, tool.outputSchema, structured);
    if (problem === undefined) return text;
    const what = `Function "${tool.name}" has run, and its answer is not what its output schema promises.`;
    const message = `${what} ${problem} Its owner must correct the function or the schema.`;
    return errorResult({ code: 'FUNCTION_FAILED', message, requestId });
  }

  async getPrompt(prompt: PromptEntry | undefined, { call, context, exchange }: Asked): Promise<string> {
    if (prompt === undefined) throw unknown('prompt', call.name);
    const args = isObject(call.parsed['arguments']) ? call.parsed['arguments'] : {};
    const required = Array.isArray(prompt.schema['required']) ? (prompt.schema['required'] as string[]) : [];
    const missing = required.find((name) => !Object.hasOwn(args, name));
    if (missing !== undefined) {
      throw new PlatformError(
        'INVALID_ARGUMENTS',
        `Prompt "${prompt.name}" needs the argument "${missing}". Send it and ask again.`,
        { argument: missing },
      );
    }
    return promptResult(await this.#reply(prompt, { payload: argsExtraEvent(call, context), context, exchange, call }));
  }

  async readResource(resources: readonly ResourceEntry[], { call, context, exchange }: Asked): Promise<string> {
    const exact = resources.find((each) => each.definition.kind === 'resource' && each.definition.key === call.name);
    const candidates = exact === undefined ? resources : [exact];
    for (const entry of candidates) {
      const variables =
        entry === exact ? new Map<string, string>() : templateVariables(entry.resource.uriTemplate, call.name);
      if (variables === undefined) continue;
      const payload = readEvent(call.name, variables, { call, context });
      return readResult(call.name, await this.#reply(entry, { payload, context, exchange, call }));
    }
    throw unknown('resource', call.name);
  }

  async complete(resources: readonly ResourceEntry[], { call, context }: Asked): Promise<string> {
    const { argument, ref } = call.parsed;
    const name = isObject(argument) && typeof argument['name'] === 'string' ? argument['name'] : '';
    const value = isObject(argument) && typeof argument['value'] === 'string' ? argument['value'] : '';
    const entry = resources.find((each) => each.resource.uriTemplate === call.name);
    if (entry === undefined && isObject(ref) && typeof ref['uri'] === 'string') throw unknown('resource', call.name);
    const source = entry?.resource.completions.get(name) ?? [];
    const all =
      typeof source === 'string' ? await this.#askCompletions(call.name, source, { name, value, context }) : source;
    const fitting = all.filter((text) => text.toLowerCase().startsWith(value.toLowerCase()));
    const values = fitting.slice(0, MAX_COMPLETIONS);
    return JSON.stringify({ completion: { values, total: fitting.length, hasMore: fitting.length > values.length } });
  }

  /** Asks the function behind an entry without anybody to tell of it. */
  ask(entry: Invocable, payload: string, context: RequestContext): Promise<FunctionAnswer> {
    return this.#send(entry, { payload, context });
  }

  /** A function answers a list of texts, or `{values: […]}`. */
  async #askCompletions(
    name: string,
    functionName: string,
    of: { readonly name: string; readonly value: string; readonly context: RequestContext },
  ): Promise<readonly string[]> {
    const payload = completeEvent({ name: of.name, value: of.value }, of.context);
    const { value } = await this.#reply({ name, functionName }, { payload, context: of.context });
    const list = isObject(value) ? value['values'] : value;
    return Array.isArray(list) ? list.filter((text): text is string => typeof text === 'string') : [];
  }

  /** The reply of a prompt's or resource's function, which has no other way to fail than an error. */
  async #reply(entry: Invocable, sending: Sending): Promise<Reply> {
    const answer = await this.#send(entry, sending);
    logFailure(entry, answer, sending.context);
    if (answer.functionError !== undefined) {
      const { code, message } = failureOf(entry.name, answer.payload);
      throw new PlatformError(code, message);
    }
    const reply = replyOf(answer);
    if (reply.unreadable !== undefined)
      throw new PlatformError('FUNCTION_FAILED', `Function "${entry.name}" has run and answered ${reply.unreadable}.`);
    if (!reply.isFailure) return reply;
    const words = replyWords(reply).slice(0, MAX_WORDS);
    throw new PlatformError('FUNCTION_FAILED', `Function "${entry.name}" refused: ${words}`);
  }

  async #send(entry: Invocable, sending: Sending): Promise<FunctionAnswer> {
    const { versions, calls, serves, absent } = this.#parts;
    const { payload, context, exchange, call, isStreaming = false } = sending;
    const name = functionNameOf(entry);
    if (!serves(name, context.tenant)) throw absent(entry, context.tenant);
    const custom = clientContext(entry.name, context, call);
    const isRepeatable = call?.repeatable === true;
    try {
      return await versions.run(entry, context, (functionName) => {
        const invocation = { functionName, payload, clientContext: custom };
        return calls.run({ name, invocation, exchange, isStreaming, isRepeatable }, context);
      });
    } catch (error) {
      const isAbsent =
        error instanceof PlatformError &&
        error.code === 'FUNCTION_NOT_FOUND' &&
        error.details['qualifier'] === undefined;
      throw isAbsent ? absent(entry, context.tenant) : error;
    }
  }
}

function unknown(kind: string, name: string): PlatformError {
  return new PlatformError('UNKNOWN_NAME', `There is no ${kind} "${name.slice(0, 200)}". Ask for the list again.`, {
    name: name.slice(0, 200),
  });
}

/** AWS tells of a timeout as of any failure of the function; here it is no answer that a safe repeat could get again. */
function throwIfTimedOut(entry: Invocable, answer: FunctionAnswer): void {
  if (answer.functionError === undefined) return;
  const { code, message } = failureOf(entry.name, answer.payload);
  if (code === 'FUNCTION_TIMEOUT') throw new PlatformError(code, message, { function: functionNameOf(entry) });
}

/** The stack trace goes to the log; the caller gets type and message. */
function logFailure(entry: Invocable, answer: FunctionAnswer, context: RequestContext): void {
  if (answer.functionError === undefined) return;
  context.log.log('warn', 'function-failed', {
    function: functionNameOf(entry),
    name: entry.name,
    payload: answer.payload.slice(0, 4096),
  });
}
