/**
 * The warm servers of one handler, one for each tenant that is being served. Tenants never share a process: when
 * another one comes, the server of the one before ends with its files, unless a call of it still runs.
 */

import type { Context } from '../../core/context.ts';
import type { WarmServerOptions } from './warm-server.ts';
import { WarmServer } from './warm-server.ts';

export class ServerPool {
  readonly #options: WarmServerOptions;
  readonly #servers = new Map<string, WarmServer>();
  /** Started before anybody came; the first tenant's. */
  #spare: WarmServer | undefined;
  /** Servers that are on their way out. */
  readonly #closing = new Set<Promise<void>>();

  constructor(options: WarmServerOptions) {
    this.#options = options;
  }

  /** Starts a server for the first tenant that comes. Nothing is awaited; a failure is tried again then. */
  startSpare(context: Context): void {
    if (this.#servers.size > 0 || this.#spare !== undefined) return;
    const spare = new WarmServer(this.#options);
    this.#spare = spare;
    spare.introduce(context).catch((error: unknown) => {
      context.log.log('warn', 'server did not start', { server: this.#options.name, reason: (error as Error).message });
    });
  }

  /** The tenant's own server, well and ready to be called. {@link release} must follow. */
  async acquire(tenant: string, context: Context): Promise<WarmServer> {
    this.#endOthers(tenant);
    let server = this.#servers.get(tenant);
    if (server === undefined) {
      server = this.#spare ?? new WarmServer(this.#options);
      this.#spare = undefined;
      this.#servers.set(tenant, server);
    }
    server.users++;
    try {
      await server.prepare(context);
      return server;
    } catch (error) {
      server.users--;
      throw error;
    }
  }

  release(server: WarmServer): void {
    server.users--;
  }

  /** Process ids of all live children. */
  pids(): readonly number[] {
    return [...this.#servers.values(), ...(this.#spare === undefined ? [] : [this.#spare])].flatMap((server) =>
      server.pids(),
    );
  }

  get restarts(): number {
    let sum = 0;
    for (const server of this.#servers.values()) sum += server.restarts;
    return sum;
  }

  /** Ends every process of every tenant; resolves when none is left. A later call starts anew. */
  async close(): Promise<void> {
    if (this.#spare !== undefined) this.#end(undefined, this.#spare);
    this.#spare = undefined;
    for (const [tenant, server] of this.#servers) this.#end(tenant, server);
    await Promise.all(this.#closing);
  }

  #endOthers(tenant: string): void {
    for (const [other, server] of this.#servers) if (other !== tenant && server.users === 0) this.#end(other, server);
  }

  #end(tenant: string | undefined, server: WarmServer): void {
    if (tenant !== undefined) this.#servers.delete(tenant);
    const closing = server.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
