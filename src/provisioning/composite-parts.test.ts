/** Composites that ship: what none of their parts would take is refused with the request, and their price is known. */

import { describe, expect, test } from 'vitest';
import { awsServices } from '../adapters/aws/services.ts';
import { gcpServices } from '../adapters/gcp/services.ts';
import { serviceOf, type CatalogService } from './catalogue.ts';
import { withParts } from './composite-parts.ts';
import { staticSite } from './composites/static-site.ts';
import { vpcWithInstance } from './composites/vpc-with-instance.ts';
import { webStack } from './composites/web-stack.ts';
import { compositeService } from './offers.ts';
import type { ShippedComposite } from './provisioning.ts';

const single = [...awsServices, ...gcpServices].map(serviceOf);

function whole({ description, definition, partsOf }: ShippedComposite): CatalogService {
  const workflow = { name: description.service, version: 1, owner: '*' };
  return withParts(compositeService(description, { definition, workflow }), partsOf, single);
}

describe('parameters', () => {
  test.each([
    ['an instance of no size', webStack, { name: 'shop', instanceType: 'huge' }, '/params/instanceType'],
    ['a network of no size', webStack, { name: 'shop', cidr: '10.0.0.0/99' }, '/params/cidr'],
    ['a name that Google does not take', staticSite, { name: 'goog-site' }, '/params/name'],
    ['a network that is no network', vpcWithInstance, { vpc: { cidr: 'x' } }, '/params/vpc/cidr'],
    ['an instance with what nobody knows', vpcWithInstance, { ec2: { colour: 'red' } }, '/params/ec2/colour'],
  ])('%s is refused at its place', async (_what, composite, params, pointer) => {
    const result = await whole(composite).check(params);
    const problems = 'problems' in result ? result.problems : [];
    expect(problems.map((problem) => problem.pointer)).toContain(pointer);
  });

  test.each([
    ['web-stack', webStack, { name: 'shop' }],
    ['static-site', staticSite, { name: 'my-site' }],
    ['vpc-with-instance', vpcWithInstance, {}],
  ])('those of a %s that can be made are taken', async (_what, composite, params) => {
    expect(await whole(composite).check(params)).toMatchObject({ params });
  });
});

test('the price is that of the parts, with what each is paid by use', () => {
  const params = { name: 'shop', cidr: '10.0.0.0/16', instanceType: 't3.micro' };
  const of = (service: string, own: object) =>
    single.find((each) => each.service === service)?.estimate({ ...own, volumeGb: 8 }, 'us-east-1').monthlyUsd ?? NaN;
  const { monthlyUsd, usage } = whole(webStack).estimate(params, 'us-east-1');
  expect(monthlyUsd).toBe(of('vpc', {}) + of('ec2', { instanceType: 't3.micro', publicAddress: true }));
  expect(monthlyUsd).toBeGreaterThan(10);
  expect(usage).toEqual(
    expect.arrayContaining(['0.01 USD per GB between zones', '0.09 USD per GB sent to the internet']),
  );
  expect(new Set(usage).size).toBe(usage.length);
});

test('the steps of a plan are those of the way forward, and not of the way back', () => {
  expect(whole(webStack).stepsOf({})).toEqual(['MakeNetwork', 'MakeServer', 'Made']);
  expect(whole(vpcWithInstance).stepsOf({})).toEqual(['CreateVPC', 'ProvisionEC2']);
});
