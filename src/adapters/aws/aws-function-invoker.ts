/**
 * Functions in AWS behind the same port as those of this machine. An invocation is sent once: AWS may have run it even
 * when its answer is lost. Only what AWS refused for being too busy, and so did not run, is sent again.
 */

import type { RequestContext } from '../../core/context.ts';
import type {
  Clock,
  FunctionInfo,
  FunctionInvoker,
  Invocation,
  InvocationResult,
  StreamedInvocation,
  StreamEnding,
} from '../../core/ports.ts';
import type { InvokeWithResponseStreamResponseEvent } from '@aws-sdk/client-lambda';
import { PlatformError } from '../../core/errors.ts';
import type { AwsClients, AwsOptions } from './aws-clients.ts';
import { awsError, isThrottled } from './aws-errors.ts';
import { withRetries } from './retries.ts';

const ATTEMPTS = 3;
const RIGHT = 'lambda:InvokeFunction';
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
/** 3,583 bytes of Base64. */
const MAX_CONTEXT_BYTES = 2_685;

interface InvokeInput {
  readonly FunctionName: string;
  readonly Payload: Uint8Array;
  readonly LogType: 'Tail';
  readonly ClientContext?: string;
}

export class AwsFunctionInvoker implements FunctionInvoker {
  readonly label: FunctionInvoker['label'];
  readonly #clients: AwsClients;
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(clients: AwsClients, options: AwsOptions) {
    this.#clients = clients;
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.label = clients.label;
  }

  /** What exists there is the directory's to say. */
  list(): readonly FunctionInfo[] {
    return [];
  }

  async invoke(invocation: Invocation, context: RequestContext): Promise<InvocationResult> {
    const client = await this.#clients.invoking();
    const { InvokeCommand } = await import('@aws-sdk/client-lambda');
    const input = inputOf(invocation);
    const began = this.#clock.monotonicMs();
    const answer = await this.#send(invocation, context, (abortSignal) =>
      client.send(new InvokeCommand({ ...input, InvocationType: 'RequestResponse' }), { abortSignal }),
    );
    const payload = Buffer.from(answer.Payload ?? new Uint8Array()).toString('utf8');
    return {
      payload: payload === '' ? 'null' : payload,
      executedVersion: answer.ExecutedVersion ?? '$LATEST',
      durationMs: this.#clock.monotonicMs() - began,
      // AWS does not tell.
      coldStart: false,
      ...(answer.FunctionError === undefined ? {} : { functionError: answer.FunctionError }),
      ...logTailOf(answer.LogResult),
    };
  }

  async invokeStream(invocation: Invocation, context: RequestContext): Promise<StreamedInvocation> {
    const client = await this.#clients.invoking();
    const { InvokeWithResponseStreamCommand } = await import('@aws-sdk/client-lambda');
    const answer = await this.#send(invocation, context, (abortSignal) =>
      client.send(new InvokeWithResponseStreamCommand(inputOf(invocation)), { abortSignal }),
    );
    let end: (ending: StreamEnding) => void = () => {};
    const ending = new Promise<StreamEnding>((resolve) => {
      end = resolve;
    });
    return {
      contentType: answer.ResponseStreamContentType ?? 'application/octet-stream',
      executedVersion: answer.ExecutedVersion ?? '$LATEST',
      body: pieces(answer.EventStream, end),
      ending,
    };
  }

  async #send<Result>(
    invocation: Invocation,
    context: RequestContext,
    run: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const { functionName } = invocation;
    const { signal, deadlineMs } = context;
    const expiry = new AbortController();
    const cancel = this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () => expiry.abort());
    const either = AbortSignal.any([signal, expiry.signal]);
    try {
      const retries = { clock: this.#clock, random: this.#random, attempts: ATTEMPTS };
      return await withRetries(
        retries,
        () => run(either),
        (error) => isThrottled(error) && !either.aborted,
      );
    } catch (error) {
      if (signal.aborted)
        throw new PlatformError('CALL_CANCELLED', 'The caller no longer waits.', {}, { cause: error });
      if (expiry.signal.aborted) throw tooLate(functionName, error);
      throw awsError(error, { right: RIGHT, name: functionName });
    } finally {
      cancel();
    }
  }
}

function tooLate(functionName: string, cause: unknown): PlatformError {
  const message = `Function "${functionName}" did not answer within the time of the call. It may still run in AWS; look at its log before calling again.`;
  return new PlatformError('FUNCTION_TIMEOUT', message, { function: functionName }, { cause });
}

/** @throws PlatformError `PAYLOAD_TOO_LARGE`, before anything is sent. */
function inputOf(invocation: Invocation): InvokeInput {
  const { functionName, payload, clientContext, rawClientContext } = invocation;
  const bytes = Buffer.from(payload, 'utf8');
  if (bytes.length > MAX_PAYLOAD_BYTES) {
    throw new PlatformError(
      'PAYLOAD_TOO_LARGE',
      `The event of "${functionName}" has ${bytes.length} bytes; Lambda takes ${MAX_PAYLOAD_BYTES}. Send less, or a reference.`,
      { function: functionName },
    );
  }
  const context = rawClientContext ?? (clientContext === undefined ? undefined : contextText(clientContext));
  return {
    FunctionName: functionName,
    Payload: bytes,
    LogType: 'Tail',
    ...(context === undefined ? {} : { ClientContext: Buffer.from(context).toString('base64') }),
  };
}

/** Claims can be large, and AWS refuses the whole call for it; the function is told that they are missing. */
function contextText(custom: Readonly<Record<string, string>>): string {
  const whole = JSON.stringify({ custom });
  if (Buffer.byteLength(whole) <= MAX_CONTEXT_BYTES || custom['zeroplaneClaims'] === undefined) return whole;
  const { zeroplaneClaims: _, ...rest } = custom;
  return JSON.stringify({ custom: { ...rest, zeroplaneClaimsOmitted: 'true' } });
}

function logTailOf(encoded: string | undefined): { readonly logTail?: string } {
  return encoded === undefined ? {} : { logTail: Buffer.from(encoded, 'base64').toString('utf8') };
}

async function* pieces(
  events: AsyncIterable<InvokeWithResponseStreamResponseEvent> | undefined,
  end: (ending: StreamEnding) => void,
): AsyncGenerator<Uint8Array> {
  let ending: StreamEnding = {};
  try {
    for await (const event of events ?? []) {
      const chunk = event.PayloadChunk?.Payload;
      if (chunk !== undefined) yield chunk;
      const complete = event.InvokeComplete;
      if (complete === undefined) continue;
      ending = {
        ...(complete.ErrorCode === undefined ? {} : { functionError: complete.ErrorCode }),
        ...(complete.ErrorDetails === undefined ? {} : { errorPayload: complete.ErrorDetails }),
        ...logTailOf(complete.LogResult),
      };
    }
  } catch (error) {
    const errorPayload = JSON.stringify({ errorType: 'StreamBroken', errorMessage: (error as Error).message });
    ending = { functionError: 'Unhandled', errorPayload };
  } finally {
    end(ending);
  }
}
