import { z } from 'zod';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Params } from '../../../provisioning/service.ts';
import { awsServices } from '../services.ts';
import { isPublic, sixteenth, subnetNames, zoneFor } from './vpc/layout.ts';

const ROLE = 'arn:aws:iam::000000000000:role/x';
const SMALLEST: Readonly<Record<string, Params>> = {
  s3: { bucketName: 'assets' },
  dynamodb: { tableName: 'orders', partitionKey: { name: 'id' } },
  sqs: { queueName: 'work' },
  'iam-role': { roleName: 'worker', trustedServices: ['lambda.amazonaws.com'] },
  vpc: {},
  ec2: {},
  lambda: { functionName: 'greet', handler: 'index.handler', role: ROLE, code: { bucket: 'code', key: 'a.zip' } },
};

interface Schema {
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly additionalProperties?: unknown;
}

describe('the services of AWS', () => {
  test('are the seven, in the order of the catalogue', () => {
    expect(awsServices.map(({ service }) => service)).toEqual([
      's3',
      'dynamodb',
      'sqs',
      'iam-role',
      'vpc',
      'ec2',
      'lambda',
    ]);
  });

  test.each(awsServices)(
    '$service describes every parameter, and refuses what it does not know',
    ({ service, params }) => {
      const schema = z.toJSONSchema(params, { io: 'input' }) as Schema;
      expect(schema.additionalProperties).toBe(false);
      for (const [name, { description }] of Object.entries(schema.properties ?? {}))
        expect([name, description]).toEqual([name, expect.stringMatching(/^[A-Z].*\.$/)]);
      const smallest = SMALLEST[service] ?? {};
      expect(params.safeParse(smallest).success).toBe(true);
      expect(params.safeParse({ ...smallest, colour: 'red' }).success).toBe(false);
    },
  );

  test.each(awsServices)('$service names its resource, its steps and a price with a date', (definition) => {
    const params = definition.params.parse(SMALLEST[definition.service] ?? {});
    expect(definition.nameOf(params, 'request-1')).toMatch(/^[\w.-]+$/);
    const steps = definition.stepsOf(params);
    expect(new Set(steps).size).toBe(steps.length);
    const estimate = definition.estimate(params, 'us-east-1');
    expect(estimate.monthlyUsd).toBeGreaterThanOrEqual(0);
    expect(estimate.pricesOf).toMatch(/^\d{4}-\d\d-\d\d$/);
  });

  test('a machine costs its hours, its disk and its address', () => {
    const ec2 = awsServices.find(({ service }) => service === 'ec2');
    const price = (params: Params): number | undefined => ec2?.estimate(ec2.params.parse(params), undefined).monthlyUsd;
    expect(price({})).toBe(8.23);
    expect(price({ publicAddress: true, volumeGb: 100, instanceType: 'm7g.large' })).toBe(71.22);
  });

  test.each([
    ['s3', { bucketName: 'Upper' }],
    ['s3', { bucketName: '192.168.0.1' }],
    ['s3', { bucketName: 'two..dots' }],
    ['s3', { bucketName: 'assets', region: 'mars-north-1' }],
    ['dynamodb', { tableName: 'orders' }],
    ['sqs', { queueName: 'work.fifo' }],
    ['sqs', { queueName: 'work', visibilityTimeoutSeconds: 43_201 }],
    ['iam-role', { roleName: 'worker', trustedServices: [] }],
    ['iam-role', { roleName: 'worker', trustedServices: ['evil.example.com'] }],
    ['iam-role', { ...SMALLEST['iam-role'], statements: [{ actions: ['iam:*'], resources: ['*'] }] }],
    ['vpc', { cidr: '10.0.0.0/8' }],
    ['vpc', { cidr: '10.0.0.300/16' }],
    ['vpc', { ingress: [{ port: 90, toPort: 80, cidr: '10.0.0.0/8' }] }],
    ['vpc', { ingress: [{ port: 80, cidr: 'everybody' }] }],
    ['ec2', { instanceType: 'huge' }],
    ['ec2', { subnetId: 'subnet-0123456789abcdef0', network: 'aws:eu-west-1:vpc:a' }],
    ['lambda', { ...SMALLEST['lambda'], role: 'somebody' }],
    ['lambda', { ...SMALLEST['lambda'], code: { secret: 'Z', bucket: 'b' } }],
  ] as const)('%s refuses %j', (service, params) => {
    const definition = awsServices.find((each) => each.service === service);
    expect(definition?.params.safeParse(params).success).toBe(false);
  });
});

describe('the division of a network', () => {
  const number = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const rangeOf = (cidr: string): { readonly first: number; readonly last: number } => {
    const [address = '', bits = '0'] = cidr.split('/');
    return { first: number(address), last: number(address) + 2 ** (32 - Number(bits)) - 1 };
  };

  test('sixteenths lie in the network, beside each other', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), fc.integer({ min: 16, max: 24 }), (parts, bits) => {
        const all = Array.from({ length: 16 }, (_none, index) =>
          rangeOf(sixteenth(`${parts.join('.')}/${bits}`, index)),
        );
        const size = 2 ** (32 - bits);
        const first = Math.floor(number(parts.join('.')) / size) * size;
        expect(all[0]?.first).toBe(first);
        expect(all.at(-1)?.last).toBe(first + size - 1);
        for (const [index, range] of all.slice(1).entries()) expect(range.first).toBe((all[index]?.last ?? 0) + 1);
      }),
    );
  });

  test('subnets are spread over the zones, public and private alike', () => {
    const names = subnetNames({ publicSubnets: 2, privateSubnets: 3 });
    expect(names.filter(isPublic)).toEqual(['subnet-public-1', 'subnet-public-2']);
    expect(names.map((name) => zoneFor(name, ['a', 'b']))).toEqual(['a', 'b', 'a', 'b', 'a']);
    expect(zoneFor('subnet-public-1', [])).toBeUndefined();
  });
});
