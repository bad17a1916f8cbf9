/** `catalog`: what can be asked for. */

import { PlatformError } from '../../core/errors.ts';
import { nearestOf } from '../../core/nearest.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { connectToInstance } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine, table } from '../style.ts';

interface ServiceRow {
  readonly cloud: string;
  readonly service: string;
  readonly title: string;
  readonly label: string;
}

interface ParameterSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly items?: ParameterSchema;
  readonly properties?: Readonly<Record<string, ParameterSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly ParameterSchema[];
  readonly oneOf?: readonly ParameterSchema[];
  readonly description?: string;
  readonly default?: unknown;
}

interface ServiceDetails extends ServiceRow {
  readonly version: string;
  readonly actions: readonly string[];
  readonly regions?: readonly string[];
  readonly params: ParameterSchema;
}

export async function* catalogLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', '/v1/catalog');
  const { services } = value as { services: readonly ServiceRow[] };
  yield result(value, (style) =>
    table(
      services.map(({ cloud, service, title, label }) => [
        { text: cloud, paint: style.bold },
        { text: service, paint: style.bold },
        `[${label}]`,
        oneLine(title, 100),
      ]),
      '',
    ),
  );
  return undefined;
}

/** `aws s3`: its parameters, where it can be, and how it is asked for. */
export async function* catalogShow(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const [cloud = '', name = ''] = invocation.words;
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', '/v1/catalog');
  const { services } = value as { services: readonly ServiceDetails[] };
  const service = services.find((each) => each.cloud === cloud && each.service === name);
  if (service === undefined) throw unknownService(cloud, name, services);
  yield result(service, (style) => serviceText(service, style));
  return undefined;
}

function unknownService(cloud: string, name: string, services: readonly ServiceRow[]): PlatformError {
  const ofCloud = services.filter((each) => each.cloud === cloud);
  const near = nearestOf(
    name,
    ofCloud.map(({ service }) => service),
  );
  const hint = near === undefined ? '' : ` Did you mean "${cloud} ${near}"?`;
  return new PlatformError('RESOURCE_NOT_FOUND', `There is no service "${cloud} ${name}".${hint}`, {
    next: 'zeroplane catalog ls',
  });
}

function serviceText(
  { cloud, service, version, title, label, actions, regions, params }: ServiceDetails,
  style: Style,
): string {
  const required = new Set(params.required);
  const properties = Object.entries(params.properties ?? {});
  const example = properties.filter(([key]) => required.has(key)).map(([key]) => ` --param ${key}=…`);
  return [
    `${style.bold(`${cloud} ${oneLine(service, 80)}`)}  version ${oneLine(version, 40)} [${label}]`,
    oneLine(title, 300),
    '',
    table([['actions', actions.join(', ')], ...(regions === undefined ? [] : [['regions', regions.join(', ')]])]),
    '',
    style.dim('Parameters'),
    table(
      properties.map(([key, { type, description = '', default: usual }]) => [
        { text: oneLine(key, 60), paint: style.bold },
        oneLine(typeof type === 'string' ? type : (type ?? []).join(' or '), 40),
        required.has(key) ? 'required' : usual === undefined ? '' : `default ${oneLine(JSON.stringify(usual), 40)}`,
        oneLine(description, 160),
      ]),
    ),
    ...shapesText(properties, style),
    '',
    style.dim('Ask for it'),
    `  zeroplane provision --cloud ${cloud} --service ${service}${example.join('')}`,
  ].join('\n');
}

/** What parameters are made of, where their type alone does not say how they are written. */
function shapesText(properties: readonly (readonly [string, ParameterSchema])[], style: Style): readonly string[] {
  const rows = properties
    .filter(([key, { type, enum: values }]) => key !== 'region' && (type !== 'string' || values !== undefined))
    .map(([key, schema]) => [key, shapeOf(schema)] as const)
    .filter(([, shape]) => /[{[|"]/.test(shape))
    .map(([key, shape]) => [{ text: oneLine(key, 60), paint: style.bold }, oneLine(shape, 300)]);
  return rows.length === 0 ? [] : ['', style.dim('Written as'), table(rows)];
}

/** A schema in a few signs: `{name, type?: "S" | "N"}`, `[string]`. Deeper than three levels it is `…`. */
function shapeOf(schema: ParameterSchema, depth = 0): string {
  const { type, enum: values, items, properties, required = [], anyOf, oneOf = anyOf } = schema;
  if (depth > 3) return '…';
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' | ');
  if (oneOf !== undefined) return oneOf.map((each) => shapeOf(each, depth)).join(' | ');
  if (items !== undefined) return `[${shapeOf(items, depth + 1)}]`;
  if (properties === undefined) return typeof type === 'string' ? type : (type ?? ['any']).join(' | ');
  const members = Object.entries(properties).map(
    ([key, each]) => `${key}${required.includes(key) ? '' : '?'}: ${shapeOf(each, depth + 1)}`,
  );
  return `{${members.join(', ')}}`;
}
