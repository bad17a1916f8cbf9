/**
 * Starts stdio servers and opens conversations with them. It decides how a process lives and dies; which call
 * uses which conversation, and when one is started again, is `McpTarget`'s.
 */

import type { Clock, Logger } from '../core/ports.ts';
import type { Connector, Conversation, Era, OpenOptions } from '../upstream/conversation.ts';
import type { ClientInfo } from '../upstream/revisions.ts';
import type { ChildSpec } from './child-process.ts';
import type { ProcessGuard } from './guard.ts';
import { PlatformError } from '../core/errors.ts';
import { PeerLink } from '../upstream/channel.ts';
import { targetUnavailable } from '../upstream/failures.ts';
import { EraVerdicts, negotiate } from '../upstream/negotiate.ts';
import { CHILD_TOO_NOISY, NoiseLimit } from '../upstream/noise-limit.ts';
import { processGuard } from './guard.ts';
import { StdioChannel } from './stdio-channel.ts';

export interface StdioConnectorOptions extends ChildSpec {
  /** Id of the target, for messages. */
  readonly target: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly clientInfo: ClientInfo;
  /** @default 'auto' */
  readonly probe?: 'auto' | Era;
  /** Milliseconds a server gets to answer the era probe. @default 2000 */
  readonly probeTimeoutMs?: number;
  /** Shared between the targets of one gateway, so that a removed and re-added server is not probed again. */
  readonly verdicts?: EraVerdicts;
  readonly guard?: ProcessGuard;
  /** Longest line that is read. @default 6 MiB */
  readonly maxLineBytes?: number;
  /** Milliseconds between the end of a child's input and SIGTERM. @default 1000 */
  readonly termAfterMs?: number;
  /** Milliseconds between SIGTERM and SIGKILL. @default 3000 */
  readonly killAfterMs?: number;
}

export class StdioConnector implements Connector {
  readonly kind = 'stdio';
  readonly #options: StdioConnectorOptions;
  readonly #verdicts: EraVerdicts;
  readonly #channels = new Set<StdioChannel>();
  #restarts = 0;
  /** Children that ended without being asked to and have not been replaced yet. */
  #lost = 0;
  #closed = false;

  constructor(options: StdioConnectorOptions) {
    this.#options = options;
    this.#verdicts = options.verdicts ?? new EraVerdicts(options.clock);
  }

  async open(options: OpenOptions): Promise<Conversation> {
    const { target, clientInfo, probe, probeTimeoutMs } = this.#options;
    if (this.#closed) throw targetUnavailable(target, 'was removed. Ask for the list again.');
    return negotiate(() => this.#start(), {
      ...options,
      clientInfo,
      verdicts: this.#verdicts,
      verdictKey: verdictKey(this.#options),
      ...(probe === undefined ? {} : { probe }),
      ...(probeTimeoutMs === undefined ? {} : { probeTimeoutMs }),
    });
  }

  children(): number {
    return this.#channels.size;
  }

  restarts(): number {
    return this.#restarts;
  }

  /** Process ids of the live children. */
  pids(): number[] {
    return [...this.#channels].map((channel) => channel.pid).filter((pid) => pid !== undefined);
  }

  /** Ends every child; resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#channels].map((channel) => channel.close()));
  }

  #start(): PeerLink {
    const { target, clock, log } = this.#options;
    const channel = this.#spawn();
    if (this.#lost > 0) {
      this.#lost--;
      this.#restarts++;
    }
    this.#channels.add(channel);
    void channel.gone.then(() => this.#channels.delete(channel));
    const noise = new NoiseLimit(clock);
    const link = new PeerLink(channel, {
      target,
      clock,
      onGarbage: (text, reason) => {
        log.log('debug', 'stdio line dropped', { target, reason, line: text.slice(0, 200) });
        if (noise.isReached()) channel.giveUp(CHILD_TOO_NOISY);
      },
    });
    link.onEnd((reason) => {
      if (reason === undefined) return;
      this.#lost++;
      log.log('warn', 'stdio server ended', { target, reason: reason.message });
    });
    return link;
  }

  #spawn(): StdioChannel {
    const guard = this.#options.guard ?? processGuard();
    try {
      return new StdioChannel(this.#options, { ...this.#options, guard });
    } catch (error) {
      const { target, command } = this.#options;
      const { message } = error as Error;
      const next = message.startsWith('EMFILE')
        ? 'Raise the limit of open files (ulimit -n).'
        : 'Correct its command line.';
      const what = `could not be started: ${JSON.stringify(command)} failed with ${message}. ${next}`;
      throw new PlatformError('TARGET_UNAVAILABLE', `target "${target}" ${what}`, { target }, { cause: error });
    }
  }
}

function verdictKey(spec: ChildSpec): string {
  return JSON.stringify([spec.command, spec.args, spec.cwd ?? '']);
}
