/**
 * What all handlers of one server share in this process: its warm children, its clock and its log. The host's
 * variables are read here, because a handler is its own entry: Lambda configures it by variables and nothing else.
 */

import type { Logger } from '../../core/ports.ts';
import type { CredentialMode } from './child-settings.ts';
import type { LambdaContext, ServerParameters } from './lambda-event.ts';
import type { QuestionMode } from './question-mode.ts';
import { createHash, randomBytes } from 'node:crypto';
import { Sealer } from '../../core/seal.ts';
import { handlerLog } from './handler-log.ts';
import { HoldMode } from './hold-mode.ts';
import { identityOf, invocationContext } from './invocation.ts';
import type { Identity } from './invocation.ts';
import { LambdaClock } from './lambda-clock.ts';
import { MessageRunner } from './message-runner.ts';
import { ReplayMode } from './replay-mode.ts';
import { hasSecrets, withSecrets } from './secret-values.ts';
import { ServerEndpoint } from './server-endpoint.ts';
import { ServerPool } from './server-pool.ts';
import { endWithProcess } from './shutdown.ts';

export interface HandlerOptions extends ServerParameters {
  /** Name of the server in messages and logs. @default the function's name, else the command */
  readonly name?: string | undefined;
  /** `call` gives each call a process of its own, which costs its start. @default 'shared' */
  readonly isolation?: 'shared' | 'call' | undefined;
  /**
   * What becomes of a call whose server asks in its middle. `hold`: it waits in this instance. `replay`: it ends and
   * is run again with the answers. `decline`: the server hears that nobody answers. @default 'hold'
   */
  readonly questions?: 'hold' | 'replay' | 'decline' | undefined;
  /** Milliseconds that a held call waits for its answers. @default 300000 */
  readonly holdMs?: number | undefined;
  /**
   * Secret from which the key of request states is made: the same in every instance, so that any of them can go on
   * with a replayed call; may be a reference as in `env`. @default the variable `ZEROPLANE_STATE_KEY`, else a random one for each instance
   */
  readonly stateKey?: string | undefined;
  /** Whether the server gets the function's credentials, and how. @default 'none' */
  readonly credentials?: CredentialMode | undefined;
  /** Milliseconds until the server must have introduced itself. @default 30000 */
  readonly startTimeoutMs?: number | undefined;
  /** Milliseconds before Lambda's own deadline at which a call is answered with a timeout. @default 500 */
  readonly deadlineMarginMs?: number | undefined;
  /** When the server is started. @default 'init' inside a Lambda runtime, else 'first-call' */
  readonly start?: 'init' | 'first-call' | undefined;
  /** Answers events of a response stream piece by piece, for functions whose invoke mode is `RESPONSE_STREAM`. @default false */
  readonly streaming?: boolean | undefined;
  /** Value of `Access-Control-Allow-Origin`; `false` leaves CORS to the function's URL. @default '*' */
  readonly cors?: string | false | undefined;
  /** Whose server a call gets. @default the gateway's client context, Lambda's tenant, an authorizer's principal */
  readonly identify?: ((event: unknown, context: LambdaContext) => Identity) | undefined;
  /** `['003']`: failures of the wrapper answer code 500 without a reason, as the original library does. */
  readonly compat?: readonly '003'[] | undefined;
}

/** Milliseconds after which a process that only one caller may use ends unused. */
const IDLE_MS = 600_000;
const HOLD_MS = 300_000;

export class HandlerCore {
  readonly pool: ServerPool;
  readonly clock = new LambdaClock();
  readonly log: Logger;
  readonly options: HandlerOptions;
  /** The server's variables, once their secrets are known. */
  #environment: Readonly<Record<string, string>>;
  #questions: QuestionMode | undefined;
  #endpoint: ServerEndpoint | undefined;
  #preparing: Promise<ServerEndpoint> | undefined;

  constructor(options: HandlerOptions) {
    this.options = options;
    this.log = handlerLog(process.env['LOG_LEVEL'], (line) => void process.stderr.write(line));
    this.#environment = options.env ?? {};
    this.pool = this.#makePool();
    endWithProcess(this);
    const isRuntime = process.env['AWS_LAMBDA_RUNTIME_API'] !== undefined;
    if ((options.start ?? (isRuntime ? 'init' : 'first-call')) === 'init') this.#startSpare();
  }

  /** Runs one invocation with what it needs to answer messages. */
  async invocation<Result>(
    event: unknown,
    lambda: LambdaContext,
    run: (runner: MessageRunner) => Promise<Result>,
  ): Promise<Result> {
    const { clock, log, pool } = this;
    const { deadlineMarginMs: marginMs = 500, identify = identityOf, compat = [] } = this.options;
    clock.enter();
    try {
      const identity = identify(event, lambda);
      const context = invocationContext({ identity, lambda, clock, log, marginMs });
      const { tenant } = identity;
      const endpoint = (): Promise<ServerEndpoint> | ServerEndpoint => this.#endpoint ?? this.#prepare();
      return await run(new MessageRunner({ pool, endpoint, context, tenant, clock, compat: compat.includes('003') }));
    } finally {
      clock.leave();
    }
  }

  /** Gives up what waits and ends every child; resolves when none is left. A later call starts anew. */
  close(): Promise<void> {
    this.#questions?.close();
    return this.pool.close();
  }

  #makePool(): ServerPool {
    const { command, args, cwd, name, isolation, credentials, startTimeoutMs } = this.options;
    return new ServerPool({
      command,
      args,
      env: () => this.#environment,
      cwd,
      name: name ?? process.env['AWS_LAMBDA_FUNCTION_NAME'] ?? command,
      isolation: isolation ?? 'shared',
      credentials: credentials ?? 'none',
      startTimeoutMs: startTimeoutMs ?? 30_000,
      idleMs: IDLE_MS,
      host: () => process.env,
      clock: this.clock,
      log: this.log,
    });
  }

  /** Fetches secrets where there are any. Several invocations share one attempt; a failed one is not remembered. */
  #prepare(): Promise<ServerEndpoint> {
    this.#preparing ??= this.#fetchAndMake().finally(() => {
      this.#preparing = undefined;
    });
    return this.#preparing;
  }

  async #fetchAndMake(): Promise<ServerEndpoint> {
    const { env = {}, stateKey = process.env['ZEROPLANE_STATE_KEY'] } = this.options;
    const key = stateKey === undefined ? {} : { stateKey };
    const [environment, secrets] = await Promise.all([resolved(env), resolved(key)]);
    this.#environment = environment;
    this.#questions = this.#makeQuestions(secrets['stateKey']);
    this.#endpoint = new ServerEndpoint(this.#questions);
    return this.#endpoint;
  }

  #makeQuestions(stateKey: string | undefined): QuestionMode | undefined {
    const { clock, log } = this;
    const { questions = 'hold', holdMs = HOLD_MS } = this.options;
    if (questions === 'decline') return undefined;
    const key = stateKey === undefined ? randomBytes(32) : createHash('sha256').update(stateKey).digest();
    const sealer = new Sealer(key);
    if (questions === 'hold') return new HoldMode({ clock, sealer, holdMs, instance: randomBytes(6).toString('hex') });
    if (stateKey === undefined)
      log.log('warn', 'request states of this function are good for one instance only', {
        next: 'Set the variable ZEROPLANE_STATE_KEY to a secret that all instances share.',
      });
    return new ReplayMode({ clock, sealer });
  }

  #startSpare(): void {
    const { clock, log } = this;
    const identity = { tenant: '', principal: '' };
    const context = invocationContext({ identity, lambda: {}, clock, log, marginMs: 0 });
    this.#prepare().then(
      () => this.pool.startSpare(context),
      // The first call tries again, and tells its caller.
      (error: unknown) => log.log('warn', 'server did not start', { reason: (error as Error).message }),
    );
  }
}

async function resolved(values: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  return hasSecrets(values) ? withSecrets(values, process.env) : values;
}
