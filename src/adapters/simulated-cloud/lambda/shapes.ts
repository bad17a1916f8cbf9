/** Functions in Lambda's own JSON. */

import type { FunctionAlias, FunctionChanges, FunctionRecord } from '../../../core/function-control.ts';
import { isObject } from '../../../core/json.ts';
import { AwsError } from '../aws-service.ts';

export function configurationOf(record: FunctionRecord): Record<string, unknown> {
  const { name, arn, runtime, role, handler, codeSize, description, timeoutSeconds, memoryMb } = record;
  const { lastModified, codeSha256, version, environment, revisionId, packageType, architectures, layers } = record;
  return {
    FunctionName: name,
    FunctionArn: arn,
    Runtime: runtime,
    Role: role,
    Handler: handler,
    CodeSize: codeSize,
    Description: description,
    Timeout: timeoutSeconds,
    MemorySize: memoryMb,
    LastModified: lastModified,
    CodeSha256: codeSha256,
    Version: version,
    ...(Object.keys(environment).length === 0 ? {} : { Environment: { Variables: environment } }),
    TracingConfig: { Mode: 'PassThrough' },
    RevisionId: revisionId,
    ...(layers.length === 0 ? {} : { Layers: layers.map((layer) => ({ Arn: layer, CodeSize: 0 })) }),
    State: 'Active',
    LastUpdateStatus: 'Successful',
    PackageType: packageType,
    Architectures: architectures,
    EphemeralStorage: { Size: 512 },
    LoggingConfig: { LogFormat: 'Text', LogGroup: `/aws/lambda/${name}` },
  };
}

export function aliasOf(alias: FunctionAlias): Record<string, unknown> {
  const { name, arn, functionVersion, description, revisionId, weights } = alias;
  return {
    AliasArn: arn,
    Name: name,
    FunctionVersion: functionVersion,
    Description: description,
    ...(Object.keys(weights).length === 0 ? {} : { RoutingConfig: { AdditionalVersionWeights: weights } }),
    RevisionId: revisionId,
  };
}

type Body = Readonly<Record<string, unknown>>;

/** @throws AwsError `InvalidParameterValueException` for a member of the wrong type. */
export function changesOf(body: Body): FunctionChanges {
  const environment = isObject(body['Environment']) ? textMap(body['Environment'], 'Variables') : undefined;
  return dropUndefined({
    runtime: textOf(body, 'Runtime'),
    handler: textOf(body, 'Handler'),
    description: textOf(body, 'Description'),
    role: textOf(body, 'Role'),
    memoryMb: numberOf(body, 'MemorySize'),
    timeoutSeconds: numberOf(body, 'Timeout'),
    environment,
    layers: listOf(body, 'Layers'),
  });
}

export function weightsOf(body: Body): Record<string, number> | undefined {
  const routing = body['RoutingConfig'];
  if (!isObject(routing)) return undefined;
  const weights = isObject(routing['AdditionalVersionWeights']) ? routing['AdditionalVersionWeights'] : {};
  for (const [version, weight] of Object.entries(weights))
    if (typeof weight !== 'number') throw wrong(`RoutingConfig.AdditionalVersionWeights.${version}`, 'a number');
  return weights as Record<string, number>;
}

export function textOf(body: Body, key: string): string | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw wrong(key, 'a text');
}

export function requiredText(body: Body, key: string): string {
  const value = textOf(body, key);
  if (value !== undefined && value !== '') return value;
  throw new AwsError('InvalidParameterValueException', `${key} is missing.`);
}

function numberOf(body: Body, key: string): number | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value;
  throw wrong(key, 'a number');
}

export function listOf(body: Body, key: string): readonly string[] | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value as string[];
  throw wrong(key, 'a list of texts');
}

export function textMap(body: Body, key: string): Record<string, string> | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (isObject(value) && Object.values(value).every((each) => typeof each === 'string'))
    return value as Record<string, string>;
  throw wrong(key, 'a map of texts');
}

function wrong(key: string, what: string): AwsError {
  return new AwsError('InvalidParameterValueException', `${key} must be ${what}.`);
}

type Present<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

/** Members that were not given are not there at all. */
export function dropUndefined<Value extends object>(value: Value): Partial<Present<Value>> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Partial<Present<Value>>;
}
