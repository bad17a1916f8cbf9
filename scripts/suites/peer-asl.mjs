/**
 * Our golden state machines on an interpreter that nobody here wrote, moto's Step Functions, through the vendor's SDK, and
 * on our engine. The same output or error, the same events; `tests/peers/asl-differences.ts` has the exceptions.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { install, root, run } from './lib.mjs';
import { environment, freePort, startMoto } from './peer-moto.mjs';

const CLIENT = { '@aws-sdk/client-sfn': '3.1164.0' };

const LEAST = 60;

async function compare(url, functionsPort) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const file = 'tests/peers/asl-moto.test.ts';
  const args = [vitest, 'run', '--config', 'vitest.peers.config.ts', '--reporter', 'json', file];
  const client = join(install('client-sfn', CLIENT), '@aws-sdk/client-sfn/dist-cjs/index.js');
  const asked = { PEER_SFN: url, PEER_SFN_CLIENT: client, PEER_SFN_FUNCTIONS: String(functionsPort) };
  const env = { ...process.env, ...asked, NO_COLOR: '1' };
  const { stdout, stderr } = await run(process.execPath, args, { timeoutMs: 540_000, cwd: root, env });
  const begin = stdout.indexOf('{"num');
  if (begin === -1) throw new Error(`the comparison did not run:\n${stdout}\n${stderr}`.slice(-6_000));
  return JSON.parse(stdout.slice(begin)).testResults.flatMap(({ assertionResults }) => assertionResults);
}

function tell(report, results, { DIFFERENCES, LEFT_OUT }) {
  let same = 0;
  for (const [group, members] of grouped(results.filter(({ ancestorTitles }) => ancestorTitles.length > 0))) {
    const bad = members.filter(({ status }) => status !== 'passed');
    const other = members.filter(({ title }) => title in DIFFERENCES).length;
    const what = `${group}: ${members.length} on moto and here, ${members.length - other} the same, ${other} as listed`;
    same += members.length - other - bad.length;
    if (bad.length === 0) report.pass(what);
    else report.fail(what, bad.map(({ title, failureMessages }) => `${title}: ${failureMessages[0]}`).join('\n\n'));
  }
  for (const { status, title, failureMessages } of results.filter(({ ancestorTitles }) => ancestorTitles.length === 0))
    if (status !== 'passed') report.fail(title, failureMessages[0]);
  if (same < LEAST) report.fail('asl-moto', `${same} machines did the same, and ${LEAST} are the least`);
  else report.pass(`asl-moto: ${same} machines have the same end and the same events on moto`);
  for (const [name, why] of Object.entries(DIFFERENCES)) console.log(`      ${name}: ${why}`);
  for (const [name, why] of Object.entries(LEFT_OUT)) report.skip(`asl-moto: ${name}`, why);
}

const groupOf = ({ ancestorTitles }) => ancestorTitles.at(-1);

function grouped(results) {
  const groups = new Map();
  for (const result of results) groups.set(groupOf(result), [...(groups.get(groupOf(result)) ?? []), result]);
  return groups;
}

export const asl = {
  async 'asl-moto'(report) {
    if (spawnSync('python3', ['-m', 'venv', '--help']).status !== 0)
      return report.skip('asl-moto', 'python3 with venv is not installed');
    // moto calls functions at the port that it believes to be its own; there the functions of the machines answer.
    const functionsPort = await freePort();
    const url = await startMoto(environment(), { MOTO_PORT: String(functionsPort) });
    const body = JSON.stringify({ stepfunctions: { execute_state_machine: true } });
    await fetch(`${url}/moto-api/config`, { method: 'POST', body });
    const results = await compare(url, functionsPort);
    const differences = await import('../../tests/peers/asl-differences.ts');
    return tell(report, results, differences);
  },
};
