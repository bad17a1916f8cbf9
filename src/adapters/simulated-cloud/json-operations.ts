/** Services whose requests are JSON with the operation in a header: DynamoDB, SQS. */

import { isObject } from '../../core/json.ts';
import { AwsError, bodyOf } from './aws-service.ts';
import type { AwsReply, AwsRequest } from './aws-service.ts';

export type Body = Readonly<Record<string, unknown>>;

export type JsonOperation = (body: Body, request: AwsRequest) => Promise<Body>;

/** `DynamoDB_20120810.CreateTable` is `CreateTable`. */
export function targetOf(request: AwsRequest): string {
  return request.headers['x-amz-target']?.split('.')[1] ?? '';
}

/** @param invalid - The service's name for a body that is no JSON. */
export async function answerJson(
  operations: ReadonlyMap<string, JsonOperation>,
  request: AwsRequest,
  invalid: string,
): Promise<AwsReply> {
  const name = targetOf(request);
  const operation = operations.get(name);
  if (operation === undefined)
    throw new AwsError('UnknownOperationException', `"${name.slice(0, 60)}" is not simulated here.`);
  const reply = await operation(bodyOf(request, invalid), request);
  return { status: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: JSON.stringify(reply) };
}

/** A text member. @throws AwsError when it is missing or no text. */
export function requiredText(body: Body, name: string, code: string): string {
  const value = body[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new AwsError(code, `The parameter ${name} is missing or not a text.`);
}

/** Objects of a list; anything else in it is passed over. */
export function objectsOf(value: unknown): readonly Body[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}
