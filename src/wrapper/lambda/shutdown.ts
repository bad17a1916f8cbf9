/** Ends the children of all handlers of this process when Lambda ends it: it says so by SIGTERM, and waits half a second. */

interface Ending {
  close(): Promise<void>;
}

const endings = new Set<Ending>();
let listening = false;

/** Closes `what` before this process ends by SIGTERM. The signal's own effect follows, unless others listen to it. */
export function endWithProcess(what: Ending): void {
  endings.add(what);
  if (listening) return;
  listening = true;
  process.once('SIGTERM', () => {
    listening = false;
    void Promise.allSettled([...endings].map((ending) => ending.close())).then(() => {
      if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM');
    });
  });
}
