/** What is offered on every cloud: parameters that are written wrongly are answered in words, not with patterns. */

import { expect, test } from 'vitest';
import { isObject } from '../core/json.ts';
import { serviceOf } from '../provisioning/catalogue.ts';
import { cloudServices } from './cloud-services.ts';

const services = cloudServices.map(serviceOf);

/** Names of the parameters that have a pattern. */
function patterned(schema: unknown): string[] {
  const properties = isObject(schema) && isObject(schema['properties']) ? schema['properties'] : {};
  return Object.entries(properties).flatMap(([name, each]) => (isObject(each) && 'pattern' in each ? [name] : []));
}

const cases = services.flatMap((service) =>
  patterned(service.paramsSchema).map((name) => [service.cloud, service.service, name, service] as const),
);

test.each(cases)('%s %s says how its %s is written', async (_cloud, _service, name, service) => {
  const result = await service.check({ [name]: '\n' });
  const problems = 'problems' in result ? result.problems : [];
  const found = problems.find(({ pointer }) => pointer === `/params/${name}`);
  expect(found?.message).toMatch(/^is not valid: /);
  expect(found?.message).not.toMatch(/pattern|regular/);
});

test('there are such parameters on each cloud', () => {
  expect(new Set(cases.map(([cloud]) => cloud))).toEqual(new Set(['aws', 'gcp', 'azure']));
});
