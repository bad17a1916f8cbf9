/** The service that `docs/how-to/add-a-service.md` makes: it holds the contract, and the page shows what was tested. */

import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cloudProvisionerContract } from '../../../../tests/contract/cloud-provisioner.ts';
import { address } from '../../../../tests/fixtures/services/address/definition.ts';
import { simulatedAws } from './simulated-for-test.ts';
import type { SimulatedAws } from './simulated-for-test.ts';

const root = new URL('../../../../', import.meta.url);
let aws: SimulatedAws;

beforeAll(async () => {
  aws = await simulatedAws();
});

afterAll(() => aws.close());

cloudProvisionerContract({ definition: address, region: 'eu-west-1', params: (name) => ({ name }) }, () => aws);

/** As it would stand in a folder of this one. */
async function shown(file: string): Promise<string> {
  const text = await readFile(new URL(`tests/fixtures/services/address/${file}`, root), 'utf8');
  return text.replaceAll("'../../../../src/adapters/aws/", "'../../").replaceAll("'../../../../src/", "'../../../../");
}

test('the page shows the service as it was tested', async () => {
  const page = await readFile(new URL('docs/how-to/add-a-service.md', root), 'utf8');
  for (const file of ['definition.ts', 'provisioner.ts'])
    expect(page).toContain(`\`\`\`ts\n${await shown(file)}\`\`\``);
});
