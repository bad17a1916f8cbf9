/**
 * The fault suite: disks that fail, servers that misbehave, clients that vanish, kills at bad moments, against the built
 * gateway. `docs/explanation/faults.md` says which fault is injected where.
 *
 *   npm run test:faults -- [--runs N] [--seed S] [--only PATTERN]
 *
 * `--runs` is the number of rounds of everything that is repeated (20 in some minutes; a night takes hundreds), `--seed`
 * repeats a run, `--only` takes the files and titles in which the words occur. What this machine cannot do (mounts,
 * strace) is skipped, and the reason is printed.
 */

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { build, root, scratchFolder, suite } from './lib.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string' },
  },
});

const has = (command) => spawnSync(command, ['-V'], { stdio: 'ignore' }).status === 0;

/** Without strace the tests that need it say so and are skipped. */
function ensureStrace() {
  if (has('strace') || process.getuid?.() !== 0 || process.platform !== 'linux') return;
  console.error('installing strace');
  for (const args of [
    ['update', '-q'],
    ['install', '-y', '-q', '--no-install-recommends', 'strace'],
  ]) {
    spawnSync('apt-get', args, { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  }
}

/** Runs vitest, shows what it prints, and collects the lines in which tests tell figures and reasons. */
function runVitest(reportFile) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--config', 'vitest.faults.config.ts', '--maxWorkers=2'];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const only = values.only === undefined ? [] : ['--testNamePattern', values.only];
  const child = spawn(process.execPath, [vitest, ...args, ...reporters, ...only], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ZEROPLANE_FAULT_RUNS: values.runs, ZEROPLANE_FAULT_SEED: values.seed },
  });
  const told = new Set();
  let rest = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      process.stderr.write(chunk);
      const lines = stripVTControlCharacters(rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) if (/^(seen |skipped: |store-(disk|crash): )/.test(line)) told.add(line);
    });
  }
  return new Promise((done) => child.once('close', () => done([...told])));
}

/** Tests that another name keeps out are no skips; with a pattern they are not counted at all. */
function count(report, results) {
  const pattern = values.only === undefined ? undefined : new RegExp(values.only);
  for (const file of results.testResults) {
    if (file.assertionResults.length === 0 && file.status === 'failed') report.fail(file.name, file.message);
    for (const test of file.assertionResults) {
      if (pattern !== undefined && !pattern.test(test.fullName)) continue;
      const title = test.fullName;
      if (test.status === 'passed') report.passed += 1;
      else if (test.status === 'failed') report.fail(title, test.failureMessages.join('\n').slice(0, 2_000));
      else report.skip(title, 'this machine cannot do it; the reason is above');
    }
  }
}

await suite(async (report) => {
  build();
  ensureStrace();
  const file = join(scratchFolder('faults'), 'report.json');
  const began = Date.now();
  const told = await runVitest(file);
  for (const line of told.toSorted()) console.log(line);
  count(report, JSON.parse(readFileSync(file, 'utf8')));
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  console.log(`runs ${values.runs}, seed ${values.seed}, ${seconds} s`);
});
