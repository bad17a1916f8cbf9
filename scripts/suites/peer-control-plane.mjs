/**
 * The whole line on a cloud that nobody here wrote: the built program in a process of its own, its AWS a moto server, the
 * request over HTTP and through an official MCP client, and what is there afterwards as the vendor's SDK sees it.
 */

import { spawnSync } from 'node:child_process';
import { createServer, request as forward } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import {
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { GetBucketTaggingCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { startGateway, startUntilReady } from './lib.mjs';
import { environment, startMoto } from './peer-moto.mjs';

const REGION = 'us-east-1';
const KEYS = { accessKeyId: 'testing', secretAccessKey: 'testing' };
const ENV = { ...process.env, AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' };
/** Calls at whose answer the process is killed: done on moto, and unheard of by the product. */
const BUCKET_KILLS = ['GET ?tagging', 'PUT ?tagging', 'PUT ?publicAccessBlock', 'PUT ?encryption', 'PUT ?versioning'];
const STACK_KILLS = ['CreateVpc', 'CreateSubnet', 'CreateSecurityGroup', 'RunInstances', 'AllocateAddress'];

/** Word for word as the README and the tutorial have it. */
const SAMPLE = {
  cloud: 'aws',
  action: 'provision',
  service: 's3',
  params: { bucketName: 'project-assets', region: REGION },
  tenant: 'team-x',
  env: 'dev',
};

function expectSame(found, wanted, what) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${what}: expected ${other}, found ${one}`);
}

/** A moto server as the vendor's SDK sees it, past whatever stands between it and the product. */
function look(endpoint) {
  const settings = { endpoint, region: REGION, credentials: KEYS };
  const s3 = new S3Client({ ...settings, forcePathStyle: true });
  const ec2 = new EC2Client(settings);
  const all = async (command, pick) => pick(await ec2.send(command));
  return {
    buckets: async () => ((await s3.send(new ListBucketsCommand({}))).Buckets ?? []).map(({ Name }) => Name),
    tagsOf: async (Bucket) => {
      const { TagSet = [] } = await s3.send(new GetBucketTaggingCommand({ Bucket }));
      return Object.fromEntries(TagSet.map(({ Key, Value }) => [Key, Value]));
    },
    /** Ids of everything of EC2 that costs or holds something. */
    machines: async () => {
      const ids = (list = [], key) => list.map((each) => each[key]);
      const parts = await Promise.all([
        all(new DescribeVpcsCommand({}), ({ Vpcs }) => ids(Vpcs, 'VpcId')),
        all(new DescribeSubnetsCommand({}), ({ Subnets }) => ids(Subnets, 'SubnetId')),
        all(new DescribeInternetGatewaysCommand({}), ({ InternetGateways }) =>
          ids(InternetGateways, 'InternetGatewayId'),
        ),
        all(new DescribeRouteTablesCommand({}), ({ RouteTables }) => ids(RouteTables, 'RouteTableId')),
        all(new DescribeSecurityGroupsCommand({}), ({ SecurityGroups }) => ids(SecurityGroups, 'GroupId')),
        all(new DescribeAddressesCommand({}), ({ Addresses }) => ids(Addresses, 'AllocationId')),
        all(new DescribeVolumesCommand({}), ({ Volumes }) => ids(Volumes, 'VolumeId')),
        all(new DescribeInstancesCommand({}), ({ Reservations = [] }) =>
          Reservations.flatMap(({ Instances = [] }) => Instances)
            .filter(({ State }) => State?.Name !== 'terminated')
            .map(({ InstanceId }) => InstanceId),
        ),
      ]);
      return parts.flat().toSorted((one, other) => one.localeCompare(other));
    },
  };
}

/** S3 names its operations by method and query. */
function nameOf({ method, url }) {
  const [key] = [...new URL(url, 'http://moto').searchParams.keys()].filter((each) => each !== 'x-id');
  return key === undefined ? `${method} bucket` : `${method} ?${key}`;
}

/**
 * Stands between the product and moto: refuses the calls that `rules` name, as AWS does, and keeps a list of those that
 * passed.
 */
async function between(target) {
  const seen = [];
  const rules = new Set();
  const gate = { beforeAnswer: undefined };
  const server = createServer((incoming, outgoing) => {
    const chunks = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      const operation = /(?:^|&)Action=([A-Za-z]+)/.exec(body.toString('latin1').slice(0, 20_000))?.[1];
      const name = operation ?? nameOf(incoming);
      seen.push(name);
      if (rules.has(name)) {
        outgoing.writeHead(400, { 'content-type': 'text/xml' });
        outgoing.end(
          '<?xml version="1.0"?><Response><Errors><Error><Code>UnsupportedOperation</Code><Message>refused by the test</Message></Error></Errors><RequestID>r</RequestID></Response>',
        );
        return;
      }
      const { hostname, port } = new URL(target);
      const options = { hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers };
      const passed = forward(options, (answer) => {
        gate.beforeAnswer?.(name);
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      outgoing.on('error', () => passed.destroy());
      passed.end(body);
    });
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => {
      server.close(resolve);
    });
  };
  return { url: `http://127.0.0.1:${server.address().port}`, seen, rules, gate, close };
}

function caller(ready) {
  const headers = { authorization: `Bearer ${ready.token}`, 'content-type': 'application/json' };
  const ask = async (method, path, body) => {
    const response = await fetch(ready.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return { status: response.status, body: await response.json() };
  };
  const ended = async (requestId, timeoutMs = 60_000) => {
    for (const deadline = Date.now() + timeoutMs; ;) {
      const { body } = await ask('GET', `/v2/status/${requestId}`);
      if (!['accepted', 'planned', 'queued', 'running', 'compensating'].includes(body.status)) return body;
      if (Date.now() > deadline) throw new Error(`the job did not end: ${JSON.stringify(body)}`);
      await pause(50);
    }
  };
  const done = async (body, path = '/v1/provision') => {
    const accepted = await ask('POST', path, body);
    if (accepted.status !== 202)
      throw new Error(`${path} answered ${accepted.status} ${JSON.stringify(accepted.body)}`);
    return ended(accepted.body.requestId);
  };
  return { ask, ended, done };
}

const stack = (name) => ({ ...SAMPLE, service: 'web-stack', params: { name } });

async function checkSample(report, ready, cloud) {
  const { done } = caller(ready);
  await report.check(
    'the sample request over HTTP: 202, provisioned, and moto has the bucket with its tags',
    async () => {
      const job = await done(SAMPLE);
      expectSame([job.status, job.result?.status, job.label], ['succeeded', 'provisioned', 'simulated'], 'the job');
      expectSame(await cloud.buckets(), ['project-assets'], 'buckets on moto');
      const { tenant, env, service, requestId, ...more } = await cloud.tagsOf('project-assets');
      expectSame([tenant, env, service, requestId], ['team-x', 'dev', 's3', job.requestId], 'tags on moto');
      expectSame(more['managed-by'], 'zeroplane', 'the tag managed-by');
    },
  );
  await report.check('the same sample through cloud___provision of an official MCP client', async () => {
    const client = new Client({ name: 'peer-control-plane', version: '1.0.0' });
    const requestInit = { headers: { authorization: `Bearer ${ready.token}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(ready.mcp), { requestInit }));
    try {
      const { cloud: vendor, service, env } = SAMPLE;
      const args = { cloud: vendor, service, env, params: { bucketName: 'project-assets-mcp', region: REGION } };
      const result = await client.callTool({ name: 'cloud___provision', arguments: args });
      expectSame(result.structuredContent?.result?.status, 'provisioned', JSON.stringify(result).slice(0, 1000));
    } finally {
      await client.close();
    }
    expectSame(await cloud.buckets(), ['project-assets', 'project-assets-mcp'], 'buckets on moto');
  });
  await report.check('destroying both buckets leaves none', async () => {
    for (const bucketName of ['project-assets', 'project-assets-mcp']) {
      const gone = await done({ ...SAMPLE, action: 'destroy', params: { bucketName, region: REGION } });
      expectSame([gone.status, gone.result?.status], ['succeeded', 'deprovisioned'], JSON.stringify(gone.error));
    }
    expectSame(await cloud.buckets(), [], 'buckets on moto');
  });
}

async function checkStack(report, ready, { cloud, proxy }) {
  const { done } = caller(ready);
  const before = await cloud.machines();
  await report.check('web-stack provisions: network, server and address are on moto', async () => {
    const job = await done(stack('shop'));
    expectSame([job.status, job.result?.status], ['succeeded', 'provisioned'], JSON.stringify(job.error));
    const { network, server } = job.result.outputs;
    const there = await cloud.machines();
    for (const id of [network.vpcId, network.securityGroupId, ...network.subnetIds, server.instanceId])
      if (!there.includes(id)) throw new Error(`${id} is not on moto: ${there.join(' ')}`);
    if (!there.some((id) => id.startsWith('eipalloc-'))) throw new Error('no address is on moto');
  });
  await report.check('destroying it leaves nothing of it', async () => {
    const gone = await done({ ...stack('shop'), action: 'destroy' });
    expectSame([gone.status, gone.result?.status], ['succeeded', 'deprovisioned'], JSON.stringify(gone.error));
    expectSame(await cloud.machines(), before, 'what is on moto');
  });
  for (const operation of ['CreateSecurityGroup', 'RunInstances', 'AllocateAddress', 'AssociateAddress'])
    await report.check(`web-stack whose ${operation} is refused ends rolled_back and leaves nothing`, async () => {
      proxy.rules.add(operation);
      const from = proxy.seen.length;
      const job = await done(stack(`half-${operation.toLowerCase()}`)).finally(() => proxy.rules.clear());
      expectSame(proxy.seen.slice(from).includes(operation), true, `${operation} was asked for`);
      expectSame(proxy.seen.slice(from).includes('CreateVpc'), true, 'a network was made first');
      expectSame(job.status, 'rolled_back', JSON.stringify(job));
      expectSame(await cloud.machines(), before, 'what is on moto');
    });
}

/** Begins a job, kills the process at each of these calls and starts it again on its folder. @returns the job's end. */
async function endOfKilled(proxy, body, kills) {
  const killed = [];
  let child;
  proxy.gate.beforeAnswer = (name) => {
    if (child === undefined || name !== kills[killed.length]) return;
    killed.push(name);
    child.kill('SIGKILL');
    child = undefined;
  };
  const first = await startGateway({ clouds: { aws: { endpoint: proxy.url } } }, { auth: 'token', env: ENV });
  child = first.child;
  let { ready } = first;
  const accepted = await caller(ready).ask('POST', '/v1/provision', body);
  expectSame(accepted.status, 202, 'the answer');
  for (let count = 1; count <= kills.length; count++) {
    for (const deadline = Date.now() + 30_000; killed.length < count;) {
      if (Date.now() > deadline) throw new Error(`${kills[count - 1]} did not come; seen: ${proxy.seen.join(', ')}`);
      await pause(20);
    }
    const [, ...command] = first.child.spawnargs;
    const next = await startUntilReady(process.execPath, command, { env: ENV, timeoutMs: 30_000 });
    child = next.child;
    ready = next.ready;
  }
  const job = await caller(ready).ended(accepted.body.requestId);
  expectSame(
    [job.requestId, job.status, job.result?.status],
    [accepted.body.requestId, 'succeeded', 'provisioned'],
    JSON.stringify(job.error),
  );
  return { job, caller: caller(ready) };
}

async function checkKills(report, moto) {
  const cloud = look(moto);
  const timeoutMs = 240_000;
  await report.check(
    `a bucket whose process is killed ${BUCKET_KILLS.length} times, at ${BUCKET_KILLS.join(', ')}, is made once`,
    async () => {
      const proxy = await between(moto);
      const params = { bucketName: 'killed-often', region: REGION, versioning: true };
      const { job } = await endOfKilled(proxy, { ...SAMPLE, params }, BUCKET_KILLS);
      expectSame(await cloud.buckets(), ['killed-often'], 'buckets on moto');
      expectSame((await cloud.tagsOf('killed-often')).requestId, job.requestId, 'the tag requestId');
      expectSame(proxy.seen.filter((name) => name === 'PUT bucket').length, 1, 'requests that make the bucket');
      await proxy.close();
    },
    timeoutMs,
  );
  await report.check(
    `a web-stack whose process is killed ${STACK_KILLS.length} times, at ${STACK_KILLS.join(', ')}, has each part once`,
    async () => {
      const proxy = await between(moto);
      const before = await cloud.machines();
      const { job, caller: last } = await endOfKilled(proxy, stack('killed'), STACK_KILLS);
      const kinds = (ids) => {
        const counts = {};
        for (const [kind] of ids.map((id) => id.split('-'))) counts[kind] = (counts[kind] ?? 0) + 1;
        return counts;
      };
      const made = kinds((await cloud.machines()).filter((id) => !before.includes(id)));
      expectSame([made.vpc, made.i, made.eipalloc, made.igw], [1, 1, 1, 1], `parts on moto, ${JSON.stringify(made)}`);
      expectSame(made.subnet, job.result.outputs.network.subnetIds.length, 'subnets on moto');
      const gone = await last.done({ ...stack('killed'), action: 'destroy' });
      expectSame(gone.status, 'succeeded', JSON.stringify(gone.error));
      expectSame(await cloud.machines(), before, 'what is on moto after destroying it');
      await proxy.close();
    },
    timeoutMs,
  );
  // AWS takes the tags with the bucket; moto does not, so that a bucket is bare until it is tagged.
  await report.check(
    'a bucket whose process is killed between CreateBucket and its tags is tagged by the next',
    async () => {
      const proxy = await between(moto);
      const params = { bucketName: 'killed-bare', region: REGION };
      const { job, caller: last } = await endOfKilled(proxy, { ...SAMPLE, params }, ['PUT bucket']);
      expectSame((await cloud.tagsOf('killed-bare')).requestId, job.requestId, 'the tag requestId');
      const gone = await last.done({ ...SAMPLE, action: 'destroy', params });
      expectSame(gone.status, 'succeeded', JSON.stringify(gone.error));
      expectSame((await cloud.buckets()).includes('killed-bare'), false, 'whether moto has the bucket');
      await proxy.close();
    },
    timeoutMs,
  );
}

export const controlPlane = {
  async 'control-plane-moto'(report) {
    if (spawnSync('python3', ['-m', 'venv', '--help']).status !== 0)
      return report.skip('control-plane-moto', 'python3 with venv is not installed');
    const moto = await startMoto(environment());
    const proxy = await between(moto);
    const config = { clouds: { aws: { endpoint: proxy.url } } };
    const { ready } = await startGateway(config, { auth: 'token', env: ENV });
    const cloud = look(moto);
    await checkSample(report, ready, cloud);
    await checkStack(report, ready, { cloud, proxy });
    await checkKills(report, moto);
    return proxy.close();
  },
};
