/** The whole function: the server beside this file, kept warm from one invocation to the next. */

import { fileURLToPath } from 'node:url';
import { createHandler } from 'zeroplane/wrapper';

export const handler = createHandler({
  command: process.execPath,
  args: [fileURLToPath(new URL('./server.mjs', import.meta.url))],
});
