import { expect, test } from 'vitest';

import { listen } from './listen.ts';

/** Fails with `code` on the ports below `free`. */
function listener(code: string, free = Number.POSITIVE_INFINITY) {
  const asked: number[] = [];
  return {
    asked,
    listen: (port: number) => {
      asked.push(port);
      if (port >= free) return Promise.resolve({ port });
      return Promise.reject(Object.assign(new Error(code), { code }));
    },
  };
}

test('the next free port is taken when the wanted one is not free', async () => {
  const host = listener('EADDRINUSE', 7423);
  expect(await listen(host, 7420, '127.0.0.1')).toEqual({ port: 7423 });
  expect(host.asked).toEqual([7420, 7421, 7422, 7423]);
});

test.each([
  ['EADDRINUSE', 7420, 'The ports 7420 to 7470 of 10.0.0.1 are all taken. Choose another with --port'],
  ['EADDRINUSE', 65_535, 'The ports 65535 to 65535 of 10.0.0.1 are all taken.'],
  ['EADDRNOTAVAIL', 7420, 'This machine has no address "10.0.0.1" (EADDRNOTAVAIL). Leave --host out'],
  ['ENOTFOUND', 7420, 'This machine has no address "10.0.0.1" (ENOTFOUND)'],
  ['EACCES', 80, 'Port 80 of 10.0.0.1 needs rights that this process does not have (EACCES). Choose one from 1024 on'],
  ['EINVAL', 7420, 'Nothing can listen at 10.0.0.1, port 7420 (EINVAL). Choose others with --host and --port.'],
])('%s at port %i is an error of usage that says what to do', async (code, port, message) => {
  await expect(listen(listener(code), port, '10.0.0.1')).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message) as string,
  });
});
