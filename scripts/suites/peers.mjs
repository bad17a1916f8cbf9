/**
 * Real clients and real servers around the built gateway.
 *
 * Without a name: the client libraries, in front of the four official stdio servers and one function. With
 * names: those clients or servers, installed on demand; `all` is everything, `list` prints the names.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { register } from 'tsx/esm/api';
import { build, root, startGateway, startUntilReady, suite } from './lib.mjs';
import { asl } from './peer-asl.mjs';
import { awsPrograms } from './peer-aws.mjs';
import { programs } from './peer-clients.mjs';
import { controlPlane } from './peer-control-plane.mjs';
import { google } from './peer-google.mjs';
import { lambda } from './peer-lambda.mjs';
import { moto } from './peer-moto.mjs';
import { provisionAws } from './peer-provision-aws.mjs';
import { runtimes } from './peer-runtimes.mjs';
import { servers } from './peer-servers.mjs';
import { wrapping } from './peer-wrap.mjs';
import { wrappedServers } from './peer-wrapped.mjs';

register();
const { clients } = await import('../../tests/peers/clients.ts');
const { WireClient } = await import('../../tests/fixtures/wire-client.ts');
const { realServers, fixtureCommand } = await import('../../tests/fixtures/gateway.ts');
const { startRecordingProxy } = await import('../../tests/fixtures/recording-proxy.ts');
const { tmpdir } = await import('node:os');

const PROBE = { tool: 'everything___echo', args: { message: 'hello' }, answer: 'hello' };

function expectAll(names, wanted) {
  const missing = wanted.filter((name) => !names.includes(name));
  if (missing.length > 0)
    throw new Error(`missing from the list: ${missing.join(', ')}; listed: ${names.join(', ').slice(0, 1500)}`);
}

function expectText(text, wanted) {
  if (!text.includes(wanted)) throw new Error(`"${wanted}" is missing from: ${text.slice(0, 1500)}`);
}

async function using(client, place, body) {
  const connection = await client.connect(place);
  try {
    await body(connection);
  } finally {
    await connection.close();
  }
}

async function registerFunction({ admin, token }) {
  const registration = {
    type: 'tool',
    name: 'welcome',
    description: 'Greets, as registered while the gateway runs.',
    lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
    parameters: { name: 'string' },
  };
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(admin, { method: 'POST', headers, body: JSON.stringify(registration) });
  if (response.status !== 201) throw new Error(`POST /register answered ${response.status}: ${await response.text()}`);
}

const CALLS = [
  ['everything___echo', { message: 'hello' }, 'hello'],
  ['filesystem___list_allowed_directories', {}, tmpdir()],
  ['memory___read_graph', {}, 'entities'],
  [
    'thinking___sequentialthinking',
    { thought: 'so', thoughtNumber: 1, totalThoughts: 1, nextThoughtNeeded: false },
    'thoughtNumber',
  ],
  ['greet', { name: 'Ada' }, 'Hello, Ada!'],
  ['welcome', { name: 'Bob' }, 'Hello, Bob!'],
];

async function checkLibrary(report, ready, client) {
  const place = { url: client.transport === 'sse' ? `${ready.url}/sse` : ready.mcp, token: ready.token };
  await report.check(`${client.name}: lists and calls`, () =>
    using(client, place, async (connection) => {
      const wanted = CALLS.map(([name]) => name);
      expectAll(await connection.list(), wanted);
      for (const [name, args, answer] of CALLS) expectText(await connection.call(name, args), answer);
    }),
  );
  if (client.transport === 'http') {
    await report.check(`${client.name}: /mcp/everything has bare names`, () =>
      using(client, { ...place, url: `${ready.mcp}/everything` }, async (connection) => {
        expectAll(await connection.list(), ['echo']);
        expectText(await connection.call('echo', { message: 'alone' }), 'alone');
      }),
    );
  }
  for (const target of client.elicits ? ['local', 'remote'] : []) {
    await report.check(`${client.name}: answers a question of a ${target} server`, () =>
      using(client, place, async (connection) => {
        expectText(await connection.call(`${target}___test_elicitation`, { message: 'Who?' }), 'action=accept');
      }),
    );
  }
}

async function libraries(report) {
  const remote = await startUntilReady(process.execPath, [
    join(root, 'tests/fixtures/fixture-server.mjs'),
    'http-modern',
  ]);
  const { mcpServers, functions } = realServers(tmpdir());
  const config = {
    mcpServers: { ...mcpServers, local: fixtureCommand('stdio-legacy'), remote: { url: remote.ready.url } },
    functions,
  };
  const { ready } = await startGateway(config, { auth: 'token' });
  await registerFunction(ready);
  const proxy = await startRecordingProxy(ready.url);
  const { token } = ready;
  for (const client of clients) await checkLibrary(report, { url: proxy.url, mcp: `${proxy.url}/mcp`, token }, client);
  await report.check(`all ${proxy.seen.length} messages of the gateway fit the schema of their revision`, async () => {
    const violations = proxy.violations();
    if (violations.length > 0) throw new Error(violations.join('\n'));
  });
  await proxy.close();
}

async function checkPrograms(report, names) {
  const { ready } = await startGateway({ mcpServers: realServers(tmpdir()).mcpServers });
  for (const name of names) await programs[name](report, ready, PROBE).catch((error) => report.fail(name, error.stack));
}

/** A server that is well lists its tools; one that is sick must not keep the others from listing in time. */
async function checkServer(report, name) {
  const { why, expect, make, skip } = servers[name];
  if (skip !== undefined) return report.skip(name, skip);
  const { everything } = realServers(tmpdir()).mcpServers;
  return report.check(`${name} (${why})`, async () => {
    const { ready } = await startGateway({ mcpServers: { [name]: make(), everything } });
    const began = performance.now();
    const wire = new WireClient({ url: ready.mcp, era: 'modern' });
    const { result } = await wire.request('tools/list');
    const names = result.tools.map((tool) => tool.name);
    if (performance.now() - began > 6_000) throw new Error(`the list took ${Math.round(performance.now() - began)} ms`);
    expectAll(names, ['everything___echo']);
    const own = names.filter((each) => each.startsWith(`${name}___`)).length;
    if (own !== (expect === 'sick' ? 0 : expect)) throw new Error(`${own} tools of ${name}, expected ${expect}`);
    const called = await wire.request('tools/call', { name: 'everything___echo', arguments: { message: 'well' } });
    expectText(JSON.stringify(called.result), 'well');
    if (wire.violations.length > 0) throw new Error(wire.violations.join('\n'));
  });
}

const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const official = runtimes((url) => new WireClient({ url, era: 'modern' }));
const wrapped = wrappedServers(clients);
const every = [
  programs,
  servers,
  lambda,
  official,
  wrapping,
  wrapped,
  awsPrograms,
  moto,
  google,
  provisionAws,
  asl,
  controlPlane,
].flatMap((group) => Object.keys(group));
const chosen = asked.includes('all') ? ['libraries', ...every] : asked.length === 0 ? ['libraries'] : asked;

await suite(async (report) => {
  if (asked.includes('list')) {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    console.log(`zeroplane ${version}: libraries ${every.join(' ')}`);
    return report.skip('everything', 'only the names were asked for');
  }
  const unknown = chosen.filter((name) => name !== 'libraries' && !every.includes(name));
  for (const name of unknown) report.fail(name, `no such peer; there are: libraries ${every.join(' ')}`);
  build();
  if (chosen.includes('libraries')) await libraries(report);
  const wantedPrograms = chosen.filter((name) => name in programs);
  if (wantedPrograms.length > 0) await checkPrograms(report, wantedPrograms);
  for (const name of chosen) if (name in servers) await checkServer(report, name);
  for (const name of chosen) if (name in lambda) await lambda[name](report);
  for (const name of chosen) if (name in official) await official[name](report);
  for (const name of chosen) if (name in wrapping) await wrapping[name](report);
  for (const name of chosen) if (name in wrapped) await wrapped[name](report);
  for (const name of chosen) if (name in awsPrograms) await awsPrograms[name](report);
  for (const name of chosen) if (name in moto) await moto[name](report);
  for (const name of chosen) if (name in google) await google[name](report);
  for (const name of chosen) if (name in provisionAws) await provisionAws[name](report);
  for (const name of chosen) if (name in asl) await asl[name](report);
  for (const name of chosen) if (name in controlPlane) await controlPlane[name](report);
  return undefined;
});
