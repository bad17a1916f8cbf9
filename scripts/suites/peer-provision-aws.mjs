/**
 * Our provisioners of AWS, unchanged, against simulations of AWS that nobody here wrote: moto and MiniStack from PyPI,
 * and dynoxide for DynamoDB from npm. They have no faults to be asked for, so the tests of faults are skipped there.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { install, root, run, start } from './lib.mjs';
import { startMinistack, untilUp } from './peer-ministack.mjs';
import { environment, freePort, startMoto } from './peer-moto.mjs';

const DYNOXIDE = { '@dynoxide/linux-x64': '1.2.1' };
const SERVICES = ['s3', 'dynamodb', 'sqs', 'iam-role', 'vpc', 'ec2', 'lambda'];

const hasPython = () => spawnSync('python3', ['-m', 'venv', '--help']).status === 0;

async function startDynoxide() {
  const port = await freePort();
  const binary = join(install('dynoxide', DYNOXIDE), '@dynoxide/linux-x64/dynoxide');
  return untilUp(`http://127.0.0.1:${port}`, start(binary, ['serve', '--port', String(port)]));
}

async function hold(report, peer, url, service, account) {
  await report.check(
    `the provisioner of ${service} holds its contract against ${peer}`,
    async () => {
      const vitest = join(root, 'node_modules/vitest/vitest.mjs');
      const args = [vitest, 'run', '--config', 'vitest.peers.config.ts', 'tests/peers/aws-provisioners.test.ts'];
      const asked = { PEER_AWS: url, PEER_AWS_SERVICES: service, PEER_AWS_ACCOUNT: account };
      const env = { ...process.env, ...asked, NO_COLOR: '1' };
      const { code, stdout, stderr } = await run(process.execPath, args, { timeoutMs: 240_000, cwd: root, env });
      const [, passed] = /Tests .*?(\d+) passed/.exec(stdout) ?? [];
      if (code !== 0 || !(Number(passed) > 0)) throw new Error(`${stdout}\n${stderr}`.slice(-6_000));
    },
    300_000,
  );
}

export const provisionAws = {
  async 'provision-moto'(report) {
    if (!hasPython()) return report.skip('provision-moto', 'python3 with venv is not installed');
    const url = await startMoto(environment(), { MOTO_IAM_LOAD_MANAGED_POLICIES: 'true' });
    for (const service of SERVICES) await hold(report, 'moto', url, service, '123456789012');
    return undefined;
  },
  async 'provision-ministack'(report) {
    if (!hasPython()) return report.skip('provision-ministack', 'python3 with venv is not installed');
    const url = await startMinistack();
    for (const service of SERVICES) await hold(report, 'MiniStack', url, service, '000000000000');
    return undefined;
  },
  async 'provision-dynoxide'(report) {
    if (process.platform !== 'linux' || process.arch !== 'x64')
      return report.skip('provision-dynoxide', 'there is a binary for Linux on x64 only');
    report.skip(
      'backups of tables against dynoxide',
      'it has no UpdateContinuousBackups; moto and MiniStack hold them',
    );
    return hold(report, 'dynoxide', await startDynoxide(), 'dynamodb:plain', '000000000000');
  },
};
