/** The thread that interprets state machines; `workflows/threads` starts it, and this is all that runs in it. */

import { parentPort } from 'node:worker_threads';
import { systemClock } from '../adapters/embedded/system.ts';
import { Guest } from '../workflows/threads/guest.ts';

if (parentPort === null) throw new Error('This file is started as a thread.');
new Guest(parentPort, systemClock).serve();
