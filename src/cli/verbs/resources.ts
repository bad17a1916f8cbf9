/** `resources`: what the tenant has. */

import type { InstanceClient } from '../client.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { connectToInstance } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';
import { isFiltered, moreText, queryOf } from './query.ts';

interface ResourceRow {
  readonly id: string;
  readonly status: string;
  readonly env: string;
  readonly owner: string;
  readonly expiresAt?: string;
  readonly sweep?: { readonly attempts: number; readonly nextAt: string };
  readonly isAdopted: boolean;
}

interface ResourceDetails extends ResourceRow {
  readonly requestId: string;
  readonly partOf?: string;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly tags: Readonly<Record<string, string>>;
}

export async function* resourcesLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const query = queryOf(invocation, ['env', 'cloud', 'service', 'status', 'limit', 'cursor']);
  const { value } = await client.rest('GET', `/v2/resources?${query}`);
  const { resources } = value as { resources: readonly ResourceRow[] };
  const isNone = resources.length === 0 && isFiltered(invocation, ['env', 'cloud', 'service', 'status', 'cursor']);
  yield result(
    value,
    (style) => (isNone ? 'No resources like that.' : resourcesText(resources, style)) + moreText(value),
  );
  return undefined;
}

function resourcesText(resources: readonly ResourceRow[], style: Style): string {
  if (resources.length === 0) return 'No resources. Make one with  zeroplane provision';
  const rows = resources.map(({ id, status, env, owner, expiresAt, sweep, isAdopted }) => [
    { text: oneLine(id, 120), paint: style.bold },
    isAdopted ? `${status}, adopted` : status,
    env,
    owner,
    sweep === undefined ? (expiresAt === undefined ? '' : `until ${expiresAt}`) : againText(sweep),
  ]);
  return `${table(rows, '')}\n${style.dim(plural(resources.length, 'resource'))}`;
}

export async function* resourcesShow(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const found = await resourceOf(client, invocation.word);
  yield result(found, (style) => resourceText(found, style));
  return undefined;
}

/** @throws PlatformError `RESOURCE_NOT_FOUND`. */
export async function resourceOf(client: InstanceClient, id: string): Promise<ResourceDetails> {
  const { value } = await client.rest('GET', `/v2/resources/${encodeURIComponent(id)}`);
  return value as ResourceDetails;
}

/** How its removal at the end of its life goes. */
function againText({ attempts, nextAt }: NonNullable<ResourceRow['sweep']>): string {
  return `asked for ${attempts === 1 ? 'once' : `${attempts} times`}, again at ${nextAt}`;
}

function resourceText(resource: ResourceDetails, style: Style): string {
  const { id, status, env, owner, expiresAt, sweep, isAdopted, requestId, partOf, outputs, tags } = resource;
  const rows = [
    ['env', env],
    ['owner', owner],
    ['job', requestId],
    ...(isAdopted ? [['adopted', 'it was there before, and is not undone']] : []),
    ...(partOf === undefined ? [] : [['part of', partOf]]),
    ...(expiresAt === undefined ? [] : [['until', expiresAt]]),
    ...(sweep === undefined ? [] : [['removal', againText(sweep)]]),
  ];
  return [
    `${style.bold(oneLine(id, 200))}  ${status}`,
    table(rows),
    ...section('Outputs', outputs, style),
    ...section('Tags', tags, style),
  ].join('\n');
}

function section(title: string, values: Readonly<Record<string, unknown>>, style: Style): readonly string[] {
  const rows = Object.entries(values).map(([key, value]) => [
    key,
    oneLine(typeof value === 'string' ? value : JSON.stringify(value), 200),
  ]);
  return rows.length === 0 ? [] : ['', style.dim(title), table(rows)];
}
