/** One end of the line between two threads. */

import type { MessagePort, Worker } from 'node:worker_threads';

/** Sends what is said in one turn of the event loop as one message. */
export class Line<Said, Heard> {
  readonly #port: MessagePort | Worker;
  #waiting: Said[] = [];

  constructor(port: MessagePort | Worker) {
    this.#port = port;
  }

  listen(onHeard: (heard: Heard) => void): void {
    this.#port.on('message', (text: string) => {
      for (const heard of JSON.parse(text) as Heard[]) onHeard(heard);
    });
  }

  say(said: Said): void {
    if (this.#waiting.push(said) === 1) setImmediate(() => this.#send());
  }

  #send(): void {
    const text = JSON.stringify(this.#waiting);
    this.#waiting = [];
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread has no origin
    this.#port.postMessage(text);
  }
}
