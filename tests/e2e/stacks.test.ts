/** Services of several resources: made whole or not at all, whatever the cloud does in the middle. */

import { DescribeInstancesCommand, DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect } from 'vitest';
import { startGateway, type LocalInstance } from '../../src/testing.ts';
import { verifies } from '../conformance/verifies.ts';
import { exchange, textOf, type Parsed } from '../fixtures/http-exchange.ts';

let gateway: LocalInstance;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

async function ask(method: string, url: string, body?: object): Promise<Parsed> {
  const type = body === undefined ? {} : { 'content-type': 'application/json', prefer: 'wait=20' };
  const answer = await exchange({
    url,
    method,
    headers: { authorization: `Bearer ${gateway.token}`, ...type },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return JSON.parse((await textOf(answer.body)) || 'null');
}

const provision = (service: string, params: object): Promise<Parsed> =>
  ask('POST', `${gateway.url}/v1/provision`, {
    cloud: 'aws',
    action: 'provision',
    service,
    params,
    tenant: 'team-x',
    env: 'dev',
  });
const resources = async (): Promise<readonly string[]> =>
  (await ask('GET', `${gateway.url}/v2/resources`)).resources.map(({ id }: Parsed) => id);
const faults = (method: string, rule?: object): Promise<Parsed> =>
  ask(method, `${gateway.clouds.aws}/_zeroplane/faults`, rule);

/** What is there, as the vendor's SDK sees it. */
async function inCloud(): Promise<{ vpcs: number; instances: number }> {
  const client = new EC2Client({
    endpoint: gateway.clouds.aws,
    region: 'us-east-1',
    credentials: { accessKeyId: 'zeroplane', secretAccessKey: gateway.token },
  });
  const { Vpcs = [] } = await client.send(
    new DescribeVpcsCommand({ Filters: [{ Name: 'tag:managed-by', Values: ['zeroplane'] }] }),
  );
  const { Reservations = [] } = await client.send(new DescribeInstancesCommand({}));
  const running = Reservations.flatMap(({ Instances = [] }) => Instances).filter(
    ({ State }) => State?.Name !== 'terminated',
  );
  return { vpcs: Vpcs.length, instances: running.length };
}

verifies('0.7', 'a web stack is network, server and address, and is taken apart as one', async () => {
  const made = await provision('web-stack', { name: 'shop' });
  expect(made).toMatchObject({
    status: 'succeeded',
    result: { outputs: { server: { publicAddress: expect.any(String) }, network: { vpcId: expect.any(String) } } },
  });
  expect(await inCloud()).toEqual({ vpcs: 1, instances: 1 });
  expect(await resources()).toEqual([
    'aws:us-east-1:ec2:shop',
    'aws:us-east-1:vpc:shop',
    'aws:us-east-1:web-stack:shop',
  ]);
  const gone = await ask('POST', `${gateway.url}/terminate`, {
    cloud: 'aws',
    service: 'web-stack',
    params: { name: 'shop' },
    tenant: 'team-x',
    env: 'dev',
  });
  expect(gone).toMatchObject({ status: 'succeeded', result: { status: 'deprovisioned' } });
  expect([await inCloud(), await resources()]).toEqual([{ vpcs: 0, instances: 0 }, []]);
});

verifies('0.7', 'a web stack whose server is refused shows its rollback, and leaves nothing behind', async () => {
  await faults('POST', { service: 'ec2', operation: 'RunInstances', fault: 'already-exists' });
  const failed = await provision('web-stack', { name: 'half' });
  await faults('DELETE');
  expect(failed).toMatchObject({
    status: 'rolled_back',
    error: { code: 'CLOUD_REFUSED' },
    result: { status: 'rolled_back', undone: expect.arrayContaining(['aws:us-east-1:vpc:half']) },
  });
  const { steps } = await ask('GET', `${gateway.url}/v2/status/${failed.requestId}`);
  expect(steps.filter(({ status }: Parsed) => status === 'failed').map(({ step }: Parsed) => step)).toEqual([
    'create-instance',
  ]);
  expect([await inCloud(), await resources()]).toEqual([{ vpcs: 0, instances: 0 }, []]);
});

verifies(
  '0.7',
  'the machine of the seed runs as printed, and its failure is undone although its Rollback only fails',
  async () => {
    const made = await provision('vpc-with-instance', { name: 'seed', vpc: { name: 'seed' }, ec2: { name: 'seed' } });
    expect(made).toMatchObject({ status: 'succeeded', result: { outputs: { ec2: { status: 'provisioned' } } } });
    expect(await inCloud()).toEqual({ vpcs: 1, instances: 1 });
    await faults('POST', { service: 'ec2', operation: 'RunInstances', fault: 'already-exists' });
    const failed = await provision('vpc-with-instance', { name: 'two', vpc: { name: 'two' }, ec2: { name: 'two' } });
    await faults('DELETE');
    expect(failed).toMatchObject({ status: 'rolled_back', result: { undone: ['aws:us-east-1:vpc:two'] } });
    expect(await inCloud()).toEqual({ vpcs: 1, instances: 1 });
  },
);
