/** A local AWS endpoint over functions that really run, for tests. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../../core/ports.ts';
import { Redactor } from '../../core/redact.ts';
import { createFunctionRuntime } from '../../functions/function-runtime.ts';
import { openMemoryStore } from '../embedded/store/store.ts';
import { systemClock, systemIds } from '../embedded/system.ts';
import { startAwsEndpoint } from './aws-endpoint.ts';
import type { AwsEndpointOptions } from './aws-endpoint.ts';
import { awsServices } from './aws-services.ts';
import { Faults } from './faults.ts';
import { CLOUD_CONTENTS, SimulatedState } from './simulated-state.ts';

const SECRET = 'the development token';
/** In the environment of the function `hello`, and known to the redactor. */
const HIDDEN = 'a secret that the instance knows';
const log: Logger = { log: () => undefined, with: () => log };
const redactor = new Redactor();
redactor.set([HIDDEN]);

const CODE = `export const handler = async (event, context) => {
  if (event.fail) throw new TypeError('bad colour');
  if (event.sleep) await new Promise((r) => setTimeout(r, event.sleep));
  if (event.size) return 'x'.repeat(event.size);
  console.log('seen', JSON.stringify(event), process.env.A);
  return { event, client: context.clientContext, version: context.functionVersion, memory: context.memoryLimitInMB };
};`;
const STREAM = `export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('one ');
  await new Promise((r) => setTimeout(r, 20));
  stream.write('two');
  if (event.fail) throw new Error('in the middle');
  stream.end();
});`;

/** How many functions there are: three with a use, and enough for a second page. */
export const FUNCTIONS = 63;

/** What clients of AWS are configured with. */
export interface ClientSettings {
  readonly endpoint: string;
  readonly region: string;
  readonly maxAttempts: number;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export interface EndpointForTest {
  readonly url: string;
  readonly state: SimulatedState;
  readonly faults: Faults;
  settings(secretAccessKey?: string, accessKeyId?: string): ClientSettings;
  close(): Promise<void>;
}

/** For an endpoint without services. */
export const bareOptions: AwsEndpointOptions = {
  services: [],
  accessKeyId: 'zeroplane',
  secretAccessKey: SECRET,
  principal: { id: 'you@dev', tenant: 'team-x', roles: [], scopes: [] },
  clock: systemClock,
  ids: systemIds,
  log,
  redactor,
};

/** `hello` may be invoked, `hidden` may not, `streams` answers piece by piece. */
export async function endpointForTest(): Promise<EndpointForTest> {
  const folder = await codeFolder();
  const clock = systemClock;
  const store = await openMemoryStore({ clock });
  const common = { runtime: 'nodejs22.x', code: folder };
  const plain = { ...common, handler: 'index.handler' };
  const [support, owner] = [{ MCP_Support: 'true' }, { owner: 'a' }];
  const more = Array.from({ length: FUNCTIONS - 3 }, (_none, index) => ({ ...plain, name: `many-${10 + index}` }));
  const hello = { ...plain, name: 'hello', tags: { ...support, ...owner }, environment: { A: HIDDEN } };
  const functions = [
    { ...hello, timeoutSeconds: 1 },
    { ...plain, name: 'hidden', tags: support },
    { ...common, name: 'streams', handler: 'stream.handler' },
    ...more,
  ];
  const invoker = createFunctionRuntime({ functions, baseDir: folder, clock, log, ids: systemIds });
  const { control } = invoker;
  const deny = [{ action: 'lambda:InvokeFunction', function: 'hid*' }];
  const tenant = store.store('team-x');
  const schemas = join(folder, 'schemas');
  const state = new SimulatedState('aws', tenant.table(CLOUD_CONTENTS));
  const parts = { invoker, control, store: tenant, state, clock, ids: systemIds, redactor };
  const faults = new Faults();
  const endpoint = await startAwsEndpoint({
    ...bareOptions,
    services: awsServices({ ...parts, schemas, deny }),
    control: { state, faults, clock, token: SECRET },
  });
  return {
    url: endpoint.url,
    state,
    faults,
    settings: (secretAccessKey = SECRET, accessKeyId = 'zeroplane') => ({
      endpoint: endpoint.url,
      region: 'eu-west-1',
      maxAttempts: 1,
      credentials: { accessKeyId, secretAccessKey },
    }),
    close: async () => {
      await endpoint.close();
      await invoker.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function codeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-aws-'));
  await writeFile(join(folder, 'index.mjs'), CODE);
  await writeFile(join(folder, 'stream.mjs'), STREAM);
  await mkdir(join(folder, 'schemas/tools'), { recursive: true });
  await writeFile(join(folder, 'schemas/tools/hello.json'), '{"type":"object"}');
  return folder;
}

/** The name under which a client knows an error. */
export async function nameOfError(sent: Promise<unknown>): Promise<string> {
  return sent.then(
    () => 'no error',
    (error: Error) => error.name,
  );
}
