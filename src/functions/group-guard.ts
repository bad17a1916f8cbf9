/** One small process that outlives this one for a moment, to end what this one can no longer end. See `guard.mjs`. */

import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('guard.mjs', import.meta.url));

export class GroupGuard {
  #child: ChildProcess | undefined;
  readonly #groups = new Set<number>();

  /** Watches over the process group, and starts the guard with the first. */
  add(group: number): void {
    this.#groups.add(group);
    // A guard that somebody ended is followed by one that hears of all.
    const news = this.#child === undefined ? [...this.#groups] : [group];
    this.#child ??= this.#start();
    this.#child.stdin?.write(news.map((each) => `+${each}\n`).join(''));
  }

  remove(group: number): void {
    if (this.#groups.delete(group)) this.#child?.stdin?.write(`-${group}\n`);
  }

  /** Ends the guard; whatever it still watches over is killed. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.ref();
    child.stdin?.end();
    await gone;
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, [GUARD], {
      cwd: '/',
      env: {},
      // Out of reach of a signal that ends the gateway's own group.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.unref();
    child.stdin?.on('error', () => undefined);
    const forget = (): void => {
      if (this.#child === child) this.#child = undefined;
    };
    child.once('error', forget);
    child.once('exit', forget);
    return child;
  }
}
