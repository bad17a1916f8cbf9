import { createPipelineRequest } from '@azure/core-rest-pipeline';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { silentLog } from '../../../tests/fixtures/assembled.ts';
import { PlatformError } from '../../core/errors.ts';
import type { EgressRequest } from '../../core/ports.ts';
import type { CloudPlace, OwnershipTags, ProvisionContext } from '../../provisioning/provisioner.ts';
import { azureConnection } from './azure-clients.ts';
import { azureCredential, azureSubscription } from './azure-credentials.ts';
import { azureError } from './azure-errors.ts';
import { asWritten, groupedName, readGroupedName } from './azure-ids.ts';
import { azureServices } from './services.ts';
import { azureTags } from './azure-tags.ts';
import { createAzureTransport } from './azure-transport.ts';

const nobody: CloudPlace['egress'] = { request: () => Promise.reject(new Error('nobody is asked here')) };

function placeOf(parts: Partial<CloudPlace> = {}): CloudPlace {
  const secrets = { get: () => Promise.resolve(undefined) };
  return { label: 'live', egress: nobody, secrets, env: {}, ...parts };
}

const OWNERSHIP: OwnershipTags = {
  tenant: 'Team-X',
  env: 'dev',
  service: 'storage',
  requestId: 'r-1',
  owner: 'ada@example.com',
  'managed-by': 'zeroplane',
};

function contextOf(parts: Partial<ProvisionContext> = {}): ProvisionContext {
  const { tenant, env, service, requestId } = OWNERSHIP;
  return {
    request: { cloud: 'azure', service, params: {}, tenant, env },
    id: 'azure:-:storage:g%2Fa',
    requestId,
    ownership: OWNERSHIP,
    userTags: {},
    place: placeOf(),
    steps: { run: () => Promise.reject(new Error('no step')), until: () => Promise.reject(new Error('no step')) },
    log: silentLog,
    signal: new AbortController().signal,
    ...parts,
  };
}

describe('tags', () => {
  test('the mandatory ones win, whatever case the user wrote theirs in', () => {
    const userTags = { Tenant: 'another', EXPIRESAT: 'never', team: 'blue', 'a/b%': 'c' };
    expect(azureTags.newTags(contextOf({ userTags }))).toEqual({ ...OWNERSHIP, team: 'blue', a_b_: 'c' });
  });

  test('an adopted resource keeps its maker, and gets what is missing', () => {
    const existing = { TENANT: 'Team-X', requestId: 'r-0', team: 'red', other: 'theirs' };
    const context = contextOf({ userTags: { Team: 'blue' } });
    const tags = azureTags.tagsOver(existing, context, { isUpdate: false });
    const { tenant: _tenant, requestId: _requestId, ...missing } = OWNERSHIP;
    expect(tags).toEqual({ TENANT: 'Team-X', requestId: 'r-0', other: 'theirs', Team: 'blue', ...missing });
    expect(azureTags.isTenants(tags, context)).toBe(true);
    expect(azureTags.isMadeByRequest(tags, context)).toBe(false);
  });

  test('one that names no maker does not become ours by adopting it', () => {
    const tags = azureTags.tagsOver({ tenant: 'Team-X' }, contextOf(), { isUpdate: false });
    expect(azureTags.isMadeByRequest(tags, contextOf())).toBe(false);
  });

  test('the end of its life moves with a change alone', () => {
    const ownership = { ...OWNERSHIP, expiresAt: '2027-01-01T00:00:00.000Z' };
    const existing = { ...OWNERSHIP, expiresAt: '2026-12-01T00:00:00.000Z' };
    const over = (isUpdate: boolean): unknown =>
      azureTags.tagsOver(existing, contextOf({ ownership }), { isUpdate })['expiresAt'];
    expect([over(false), over(true)]).toEqual([existing.expiresAt, ownership.expiresAt]);
  });

  test('tenants are compared letter by letter', () => {
    for (const tenant of ['team-x', 'Team-X ', '']) expect(azureTags.isTenants({ tenant }, contextOf())).toBe(false);
  });
});

describe('ids', () => {
  test('a group and a name come back, in lower case', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/);
    fc.assert(
      fc.property(name, name, (group, part) => {
        const id = `azure:eastus:vnet:${encodeURIComponent(groupedName(group, part))}`;
        const read = { group: group.toLowerCase(), name: part.toLowerCase(), region: 'eastus' };
        expect(readGroupedName(id)).toEqual(read);
        expect(asWritten(part.toLowerCase(), part)).toBe(part);
      }),
    );
  });
});

describe('errors', () => {
  const rest = (statusCode: number, code?: string): Error => Object.assign(new Error('words'), { statusCode, code });

  test.each([
    [rest(429, 'TooManyRequests'), 'CLOUD_THROTTLED', 'TooManyRequests'],
    [rest(503, 'ServerBusy'), 'CLOUD_UNAVAILABLE', 'ServerBusy'],
    [rest(409, 'AnotherOperationInProgress'), 'CLOUD_UNAVAILABLE', 'AnotherOperationInProgress'],
    [rest(400, 'InUseSubnetCannotBeDeleted'), 'CLOUD_UNAVAILABLE', 'InUseSubnetCannotBeDeleted'],
    [rest(403, 'AuthorizationFailed'), 'CLOUD_DENIED', 'AuthorizationFailed'],
    [rest(401), 'CLOUD_DENIED', 'HTTP 401'],
    [rest(400, 'InvalidParameter'), 'CLOUD_REFUSED', 'InvalidParameter'],
    [
      new Error('The long-running operation has failed. SkuNotAvailable. Try another.'),
      'CLOUD_REFUSED',
      'SkuNotAvailable',
    ],
    [new Error('The long-running operation has failed'), 'CLOUD_REFUSED', 'OperationFailed'],
    [new Error('Operation was canceled'), 'CLOUD_REFUSED', 'OperationCanceled'],
    ['no error at all', 'CLOUD_REFUSED', 'Unknown'],
  ])('%s is %s', (thrown, code, cloudCode) => {
    const error = azureError(thrown, 'VirtualNetworks.get');
    expect(error).toMatchObject({ code, details: { cloud: 'azure', operation: 'VirtualNetworks.get', cloudCode } });
  });

  test('what is ours already stays as it is', () => {
    const ours = new PlatformError('EGRESS_REFUSED', 'no');
    expect(azureError(ours, 'x')).toBe(ours);
  });
});

describe('the transport', () => {
  test('a bearer goes to no other place than Azure was asked at', async () => {
    const asked: string[] = [];
    const egress = {
      request: ({ url }: EgressRequest) => {
        asked.push(url);
        return Promise.reject(new Error('not reached'));
      },
    };
    class Client {
      readonly transport: ReturnType<typeof createAzureTransport>;
      constructor(_credential: unknown, _subscription: string, options: { httpClient: Client['transport'] }) {
        this.transport = options.httpClient;
      }
    }
    const env = { AZURE_ACCESS_TOKEN: 'token', AZURE_SUBSCRIPTION_ID: 's' };
    const connected = await azureConnection(contextOf({ place: placeOf({ egress, env }) }), Client)();
    const send = (url: string): Promise<unknown> =>
      connected.client.transport.sendRequest(createPipelineRequest({ url })).catch((error: unknown) => error);
    for (const url of ['https://management.azure.com/a', 'https://eastus.management.azure.com/a']) await send(url);
    const strangers = [
      'https://example.com/',
      'https://management.azure.com.example.com/',
      'https://evilmanagement.azure.com/',
      'http://eastus.management.azure.com/',
    ];
    for (const url of strangers)
      expect(await send(url)).toMatchObject({ code: 'CLOUD_REFUSED', details: { cloudCode: 'ForeignAddress' } });
    expect(asked).toEqual(['https://management.azure.com/a', 'https://eastus.management.azure.com/a']);
  });

  test('an answer without end is not read to its end', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield new Uint8Array(1024 * 1024);
    }
    const egress = { request: () => Promise.resolve({ status: 200, headers: {}, body: endless() }) };
    const transport = createAzureTransport({ place: placeOf({ egress }), mayAsk: () => true });
    const sent = transport.sendRequest(createPipelineRequest({ url: 'https://management.azure.com/' }));
    await expect(sent).rejects.toMatchObject({ code: 'CLOUD_UNAVAILABLE' });
  });
});

describe('credentials', () => {
  test('a simulated cloud gets a token of the environment, and nothing else', async () => {
    const env = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 'real' };
    await expect(azureCredential(placeOf({ label: 'simulated', env }))).rejects.toMatchObject({ code: 'CLOUD_DENIED' });
    const place = placeOf({ label: 'simulated', env: { ...env, AZURE_ACCESS_TOKEN: 'simulated' } });
    expect(await (await azureCredential(place)).getToken('scope')).toMatchObject({ token: 'simulated' });
  });

  test('a live one is signed in to with a secret by reference, through our egress', async () => {
    const asked: EgressRequest[] = [];
    const egress = {
      request: (request: EgressRequest) => {
        asked.push(request);
        return Promise.reject(new PlatformError('TARGET_UNAVAILABLE', 'no network'));
      },
    };
    const secrets = { get: (name: string) => Promise.resolve(name === 'AZURE_CLIENT_SECRET' ? 'a-secret' : undefined) };
    const env = { AZURE_TENANT_ID: '00000000-0000-0000-0000-000000000001', AZURE_CLIENT_ID: 'client' };
    const credential = await azureCredential(placeOf({ egress, secrets, env }));
    const failed: unknown = await credential
      .getToken('https://management.azure.com/.default')
      .catch((error: unknown) => error);
    expect(String(failed)).not.toContain('a-secret');
    expect(asked.length).toBeGreaterThan(0);
    for (const { url } of asked) expect(new URL(url).host).toMatch(/^login\.microsoft(?:online)?\.com$/);
  });

  test('without a subscription it says which variable names one', () => {
    expect(() => azureSubscription(placeOf())).toThrow(/AZURE_SUBSCRIPTION_ID/);
  });
});

describe('the list of services', () => {
  test.each(azureServices.map((each) => [each.service, each] as const))(
    '%s is strict and has a price',
    (_name, each) => {
      expect(each.cloud).toBe('azure');
      const [required] = [
        { resourceGroupName: 'g' },
        { accountName: 'abc', resourceGroup: 'g' },
        { networkName: 'n', resourceGroup: 'g' },
      ].filter((params) => each.params.safeParse(params).success);
      expect(required).toBeDefined();
      expect(each.params.safeParse({ ...required, extra: 1 }).success).toBe(false);
      const params = each.params.parse(required);
      expect(each.estimate(params, 'eastus').pricesOf).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(each.nameOf(params, 'r')).toBe(each.nameOf(params, 'another'));
    },
  );
});
