/**
 * What all handlers of one server share in this process: its warm children, its clock and its log. The host's
 * variables are read here, because a handler is its own entry: Lambda configures it by variables and nothing else.
 */

import type { Logger } from '../../core/ports.ts';
import type { CredentialMode } from './child-settings.ts';
import type { LambdaContext, ServerParameters } from './lambda-event.ts';
import { handlerLog } from './handler-log.ts';
import { identityOf, invocationContext } from './invocation.ts';
import type { Identity } from './invocation.ts';
import { LambdaClock } from './lambda-clock.ts';
import { MessageRunner } from './message-runner.ts';
import { ServerEndpoint } from './server-endpoint.ts';
import { ServerPool } from './server-pool.ts';

export interface HandlerOptions extends ServerParameters {
  /** Name of the server in messages and logs. @default the function's name, else the command */
  readonly name?: string | undefined;
  /** `call` gives each call a process of its own, which costs its start. @default 'shared' */
  readonly isolation?: 'shared' | 'call' | undefined;
  /** Whether the server gets the function's credentials, and how. @default 'none' */
  readonly credentials?: CredentialMode | undefined;
  /** Milliseconds until the server must have introduced itself. @default 30000 */
  readonly startTimeoutMs?: number | undefined;
  /** Milliseconds before Lambda's own deadline at which a call is answered with a timeout. @default 500 */
  readonly deadlineMarginMs?: number | undefined;
  /** Whose server a call gets. @default the gateway's client context, Lambda's tenant, an authorizer's principal */
  readonly identify?: ((event: unknown, context: LambdaContext) => Identity) | undefined;
  /** `['003']`: failures of the wrapper answer code 500 without a reason, as the original library does. */
  readonly compat?: readonly '003'[] | undefined;
}

/** Milliseconds after which a process that only one caller may use ends unused. */
const IDLE_MS = 600_000;

export class HandlerCore {
  readonly pool: ServerPool;
  readonly clock = new LambdaClock();
  readonly log: Logger;
  readonly #options: HandlerOptions;
  readonly #endpoint = new ServerEndpoint();

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.log = handlerLog(process.env['LOG_LEVEL'], (line) => void process.stderr.write(line));
    this.pool = new ServerPool({
      command: options.command,
      args: options.args,
      env: options.env,
      cwd: options.cwd,
      name: options.name ?? process.env['AWS_LAMBDA_FUNCTION_NAME'] ?? options.command,
      isolation: options.isolation ?? 'shared',
      credentials: options.credentials ?? 'none',
      startTimeoutMs: options.startTimeoutMs ?? 30_000,
      idleMs: IDLE_MS,
      host: () => process.env,
      clock: this.clock,
      log: this.log,
    });
  }

  /** Runs one invocation with what it needs to answer messages. */
  async invocation<Result>(
    event: unknown,
    lambda: LambdaContext,
    run: (runner: MessageRunner) => Promise<Result>,
  ): Promise<Result> {
    const { clock, log, pool } = this;
    const { deadlineMarginMs: marginMs = 500, identify = identityOf, compat = [] } = this.#options;
    clock.enter();
    try {
      const context = invocationContext({ identity: identify(event, lambda), lambda, clock, log, marginMs });
      return await run(
        new MessageRunner({ pool, endpoint: this.#endpoint, context, clock, compat: compat.includes('003') }),
      );
    } finally {
      clock.leave();
    }
  }

  /** Ends every child; resolves when none is left. */
  close(): Promise<void> {
    return this.pool.close();
  }
}
