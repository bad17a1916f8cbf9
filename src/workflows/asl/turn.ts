/** Machines that share a thread go on one at a time, and everybody else in between. */

let last: Promise<void> = Promise.resolve();

/** Resolves in a turn of the event loop that no other machine that paused has. */
export function turn(): Promise<void> {
  last = last.then(() => new Promise((resolve) => setImmediate(resolve)));
  return last;
}
