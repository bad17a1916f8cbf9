/** The services that say what there is and who may use it: tagging, schemas, IAM, STS. */

import { Sha256 } from '@aws-crypto/sha256-js';
import {
  GetResourcesCommand,
  GetTagKeysCommand,
  GetTagValuesCommand,
  ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import {
  CreateSchemaCommand,
  DeleteSchemaCommand,
  DescribeSchemaCommand,
  ListRegistriesCommand,
  ListSchemasCommand,
  SchemasClient,
  UpdateSchemaCommand,
} from '@aws-sdk/client-schemas';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EndpointForTest } from './endpoint-for-test.ts';
import { endpointForTest, nameOfError } from './endpoint-for-test.ts';

let endpoint: EndpointForTest;

beforeAll(async () => {
  endpoint = await endpointForTest();
});
afterAll(async () => {
  await endpoint.close();
});

describe('2.7: functions are found by tag', () => {
  test('through the tagging API', async () => {
    const tagging = new ResourceGroupsTaggingAPIClient(endpoint.settings());
    const found = await tagging.send(
      new GetResourcesCommand({
        TagFilters: [{ Key: 'MCP_Support', Values: ['true'] }],
        ResourceTypeFilters: ['lambda:function'],
      }),
    );
    expect(found.ResourceTagMappingList?.map((each) => each.ResourceARN?.split(':').at(-1))).toEqual([
      'hello',
      'hidden',
    ]);
    const first = await tagging.send(new GetResourcesCommand({ ResourcesPerPage: 1 }));
    expect(first.ResourceTagMappingList).toHaveLength(1);
    const second = await tagging.send(
      new GetResourcesCommand({ ResourcesPerPage: 1, PaginationToken: first.PaginationToken }),
    );
    expect(second.PaginationToken).toBe('');
    expect((await tagging.send(new GetTagKeysCommand({}))).TagKeys).toEqual(['MCP_Support', 'owner']);
    expect((await tagging.send(new GetTagValuesCommand({ Key: 'owner' }))).TagValues).toEqual(['a']);
    tagging.destroy();
  });

  test('2.12: and their schemas are described', async () => {
    const schemas = new SchemasClient(endpoint.settings());
    const described = await schemas.send(new DescribeSchemaCommand({ RegistryName: 'tools', SchemaName: 'hello' }));
    expect(described).toMatchObject({ Content: '{"type":"object"}', SchemaVersion: '1' });
    expect((await schemas.send(new ListRegistriesCommand({}))).Registries).toMatchObject([{ RegistryName: 'tools' }]);
    expect((await schemas.send(new ListSchemasCommand({ RegistryName: 'tools' }))).Schemas).toMatchObject([
      { SchemaName: 'hello' },
    ]);
    const named = { RegistryName: 'tools', SchemaName: 'hello' };
    const file = new UpdateSchemaCommand({ ...named, Content: '{}' });
    await expect(schemas.send(file)).rejects.toMatchObject({
      name: 'BadRequestException',
      message: expect.stringContaining('clouds.aws.schemas') as string,
    });
    for (const SchemaName of ['absent', '..%2F..%2Findex'])
      expect(await nameOfError(schemas.send(new DescribeSchemaCommand({ RegistryName: 'tools', SchemaName })))).toBe(
        'NotFoundException',
      );
    schemas.destroy();
  });

  test('2.12: a schema is put beside those of the folder, in versions', async () => {
    const schemas = new SchemasClient(endpoint.settings());
    const named = { RegistryName: 'teams', SchemaName: 'Order@v1' };
    const Type = 'JSONSchemaDraft4';
    const created = await schemas.send(new CreateSchemaCommand({ ...named, Type, Content: '{"type":"object"}' }));
    expect(created).toMatchObject({ SchemaVersion: '1', SchemaName: 'Order@v1' });
    expect(created.SchemaArn).toBe('arn:aws:schemas:us-east-1:000000000000:schema/teams/Order@v1');
    const again = new CreateSchemaCommand({ ...named, Type, Content: '{}' });
    expect(await nameOfError(schemas.send(again))).toBe('ConflictException');
    const wrong = new UpdateSchemaCommand({ ...named, Content: '{' });
    expect(await nameOfError(schemas.send(wrong))).toBe('BadRequestException');
    await schemas.send(new UpdateSchemaCommand({ ...named, Content: '{"type":"array"}' }));
    const read = await schemas.send(new DescribeSchemaCommand(named));
    expect(read).toMatchObject({ Content: '{"type":"array"}', SchemaVersion: '2', Type });
    const old = new DescribeSchemaCommand({ ...named, SchemaVersion: '1' });
    expect(await nameOfError(schemas.send(old))).toBe('NotFoundException');
    const first = await schemas.send(new ListRegistriesCommand({ Limit: 1 }));
    const second = await schemas.send(new ListRegistriesCommand({ Limit: 1, NextToken: first.NextToken }));
    const registries = [...(first.Registries ?? []), ...(second.Registries ?? [])];
    expect(registries.map((each) => each.RegistryName)).toEqual(['teams', 'tools']);
    await schemas.send(new DeleteSchemaCommand(named));
    expect(await nameOfError(schemas.send(new DescribeSchemaCommand(named)))).toBe('NotFoundException');
    schemas.destroy();
  });
});

describe('2.3: rights are asked for before they are used', () => {
  async function query(service: string, form: Record<string, string>): Promise<{ status: number; text: string }> {
    const body = new URLSearchParams(form).toString();
    const signer = new SignatureV4({ ...endpoint.settings(), service, sha256: Sha256 });
    const { host, hostname } = new URL(endpoint.url);
    const headers = { host, 'content-type': 'application/x-www-form-urlencoded' };
    const signed = await signer.sign({ method: 'POST', protocol: 'http:', hostname, path: '/', headers, body });
    const answer = await fetch(`${endpoint.url}/`, { method: 'POST', headers: signed.headers, body });
    return { status: answer.status, text: await answer.text() };
  }

  test('of IAM, function by function', async () => {
    const { text } = await query('iam', {
      Action: 'SimulatePrincipalPolicy',
      PolicySourceArn: 'arn:aws:iam::000000000000:user/you@dev',
      'ActionNames.member.1': 'lambda:InvokeFunction',
      'ActionNames.member.2': 'lambda:GetFunction',
      'ResourceArns.member.1': 'arn:aws:lambda:us-east-1:000000000000:function:hidden',
      'ResourceArns.member.2': 'arn:aws:lambda:us-east-1:000000000000:function:hello',
    });
    const decisions = [...text.matchAll(/<EvalDecision>(\w+)</g)].map(([, decision]) => decision);
    expect(decisions).toEqual(['explicitDeny', 'allowed', 'allowed', 'allowed']);
  });

  test('of STS, as whom; and errors are in the form of these services', async () => {
    expect((await query('sts', { Action: 'GetCallerIdentity' })).text).toContain('<Account>000000000000</Account>');
    const unknown = await query('iam', { Action: '<b>' });
    expect(unknown.status).toBe(400);
    expect(unknown.text).toMatch(/<Code>InvalidAction<\/Code><Message>The action &lt;b&gt;/);
  });
});
