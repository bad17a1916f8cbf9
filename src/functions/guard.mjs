/**
 * Ends the processes of functions that cannot end themselves when the gateway vanishes: those that are stopped, and
 * programs that we did not write. Each line on standard input is `+GROUP` or `-GROUP`; at its end every group that is
 * left is killed.
 */

import { createInterface } from 'node:readline';

const groups = new Set();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const group = Number(line.slice(1));
    if (line.startsWith('+')) groups.add(group);
    else groups.delete(group);
  })
  .on('close', () => {
    for (const group of groups) {
      try {
        process.kill(-group, 'SIGKILL');
      } catch {
        // Nobody of the group is left.
      }
    }
    process.exit(0);
  });
