/**
 * A loopback port that costs next to nothing until somebody connects: the endpoint behind it is loaded with the first
 * connection, which it takes over, or whose bytes are handed on to it as they come.
 */

import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { PlatformError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';

export interface Startable {
  readonly url: string;
  /** Takes a connection over; without it bytes are handed on to {@link url}. */
  accept?(socket: Socket): void;
  close(): Promise<void>;
}

export interface LazyEndpointOptions<Endpoint extends Startable> {
  /** For messages: `Google Cloud`. */
  readonly vendor: string;
  readonly scheme: 'http' | 'https';
  /** 0: any free one. */
  readonly port: number;
  readonly log: Logger;
  readonly start: () => Promise<Endpoint>;
}

export class LazyEndpoint<Endpoint extends Startable> {
  readonly url: string;
  readonly #options: LazyEndpointOptions<Endpoint>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #endpoint: Promise<Endpoint> | undefined;

  private constructor(options: LazyEndpointOptions<Endpoint>, server: Server) {
    this.#options = options;
    this.#server = server;
    this.url = `${options.scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => void this.#serve(socket));
    // The instance lives by its own listener.
    server.unref();
  }

  /** @throws PlatformError `CONFIG_INVALID` when somebody else has the port. */
  static async listen<Endpoint extends Startable>(
    options: LazyEndpointOptions<Endpoint>,
  ): Promise<LazyEndpoint<Endpoint>> {
    // HTTP answers after its client has sent all it has to send.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const what = `The local endpoint of ${options.vendor} cannot have port ${options.port}`;
        const next = 'Choose another port of this cloud, or 0.';
        reject(new PlatformError('CONFIG_INVALID', `${what} (${error.code ?? error.message}). ${next}`));
      });
      server.listen(options.port, '127.0.0.1', resolve);
    });
    return new LazyEndpoint(options, server);
  }

  /** What is behind it, started if it is not yet. */
  started(): Promise<Endpoint> {
    this.#endpoint ??= this.#options.start().catch((error: unknown) => {
      this.#endpoint = undefined;
      throw error;
    });
    return this.#endpoint;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await (await this.#endpoint?.catch(() => undefined))?.close();
  }

  async #serve(socket: Socket): Promise<void> {
    this.#keep(socket);
    try {
      const endpoint = await this.started();
      if (endpoint.accept !== undefined) {
        endpoint.accept(socket);
        socket.resume();
        return;
      }
      const { port } = new URL(endpoint.url);
      const behind = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
      this.#keep(behind);
      socket.setNoDelay(true);
      socket.pipe(behind).pipe(socket);
      // A connection that is cut here is cut there: a fault that drops connections must reach the client.
      socket.on('close', () => behind.destroy());
      behind.on('close', () => socket.destroy());
      socket.resume();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.log('error', 'simulated-cloud-not-started', { vendor: this.#options.vendor, reason });
      socket.destroy();
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
