/** One invocation as pool and process handle it, and how it may end. */

import type { PlatformError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import type { ResponseBody } from './response-body.ts';
import type { Outcome } from './runtime-api.ts';
import { MAX_PAYLOAD_BYTES } from './runtime-api.ts';

/** What an invocation ended with. */
export interface Ending {
  /** The handler's answer, or the error's `{errorType, errorMessage, stackTrace?}`; empty after a stream. */
  readonly payload: string;
  readonly functionError?: string;
  readonly logTail?: string;
}

export interface Job {
  readonly requestId: string;
  readonly payload: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly log: Logger;
  /** A process serves the invocations of one tenant. */
  readonly tenant: string;
  /** The answer begins to come piece by piece; it must be read or discarded. `settle` or `fail` follows. */
  stream(body: ResponseBody): void;
  settle(ending: Ending): void;
  fail(error: PlatformError): void;
}

export function unhandled(payload: string): Ending {
  return { payload, functionError: 'Unhandled' };
}

export function endingOf(outcome: Outcome): Ending {
  if (outcome.kind === 'response') return { payload: outcome.body };
  if (outcome.kind === 'error') return unhandled(outcome.body);
  return responseTooLarge(MAX_PAYLOAD_BYTES);
}

export function responseTooLarge(maxBytes: number): Ending {
  const errorMessage = `The function's result is larger than the ${maxBytes} bytes that Lambda allows.`;
  return unhandled(JSON.stringify({ errorType: 'Function.ResponseSizeTooLarge', errorMessage }));
}
