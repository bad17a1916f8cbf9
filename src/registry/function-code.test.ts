import { afterEach, beforeEach, expect, test } from 'vitest';

import { BY_ADA, auditOn } from '../../tests/fixtures/audit.ts';
import { fakeClock, type FakeClock } from '../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import { Context } from '../core/context.ts';
import type { Logger, StoreRoot } from '../core/ports.ts';
import { FunctionTarget } from './function-target.ts';
import type { ConfiguredFunction } from './published-functions.ts';
import { parseRegistration } from './registration.ts';
import { RegistrationStore } from './registration-store.ts';

const log: Logger = { log: () => undefined, with: () => log };
const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:far';

let clock: FakeClock;
let store: StoreRoot;
let registrations: RegistrationStore;

beforeEach(async () => {
  clock = fakeClock();
  store = await openMemoryStore({ clock });
  registrations = new RegistrationStore({
    store,
    clock,
    ids: { uuid: () => crypto.randomUUID() },
    audit: auditOn(store),
  });
});

afterEach(async () => {
  registrations.close();
  await store.close();
});

/** A target that publishes these, where `crm` runs here and is tagged. */
async function listed(functions: readonly ConfiguredFunction[]) {
  const target = new FunctionTarget({
    invoker: {
      label: 'embedded',
      list: () => [
        { name: 'crm', arn: '', runtime: '', description: '', tags: { team: 'a' }, timeoutSeconds: 1, memoryMb: 128 },
      ],
      invoke: () => Promise.reject(new Error('nothing is invoked')),
    },
    versions: {
      get: (name, qualifier = '$LATEST') =>
        Promise.resolve({ version: qualifier, codeSha256: `sha of ${name}` } as never),
      onChange: () => () => undefined,
    },
    registrations,
    clock,
    store,
    log,
    functions,
  });
  const principal = { id: 'ada', tenant: 'team-x', roles: [], scopes: [] } as const;
  const context = new Context({ principal, requestId: 'r', clock, timeoutMs: 1000, log });
  const again = new Promise((done) => target.onChange(done));
  await target.list(context);
  await again;
  const { definitions } = await target.list(context);
  await target.close();
  return new Map(definitions.map(({ key, code, tags }) => [key, { code, tags }]));
}

test('a definition says what it leads to: a function here by its version, one in AWS by what was found there', async () => {
  const found = { version: '$LATEST', sha256: 'found' };
  const definitions = await listed([
    { name: 'crm', alias: 'live' },
    { name: 'far', functionName: ARN, code: found, tags: { team: 'b' } },
  ]);
  expect(definitions.get('crm')?.code).toEqual({ version: 'live', sha256: 'sha of crm' });
  expect(definitions.get('far')?.code).toEqual(found);
});

test('a registered tool has the tags of the function behind its ARN, here or in AWS', async () => {
  const register = async (name: string, lambdaArn: string): Promise<unknown> =>
    registrations.create(
      'team-x',
      await parseRegistration({ type: 'tool', name, description: 'd', lambdaArn, parameters: {}, tags: { own: '1' } }),
      { by: BY_ADA },
    );
  await register('here', 'arn:aws:lambda:eu-west-1:123456789012:function:crm:live');
  await register('there', `${ARN}:live`);
  const definitions = await listed([{ name: 'far', functionName: ARN, tags: { team: 'b' } }]);
  expect(definitions.get('here')?.tags).toEqual({ team: 'a', own: '1' });
  expect(definitions.get('there')?.tags).toEqual({ team: 'b', own: '1' });
});
