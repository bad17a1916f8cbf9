/** A function of Lambda. */

import { z } from 'zod';
import { textOf } from '../../../../core/json.ts';
import type { Params, ServiceDefinition } from '../../../../provisioning/service.ts';
import { estimated } from '../../prices.ts';
import { AWS_REGIONS, DEFAULT_REGION } from '../../regions.ts';

const RUNTIMES = [
  'nodejs22.x',
  'nodejs24.x',
  'python3.11',
  'python3.12',
  'python3.13',
  'java17',
  'java21',
  'dotnet8',
  'ruby3.3',
  'ruby3.4',
  'provided.al2023',
] as const;

const inBucket = z.strictObject({
  bucket: z.string().min(3).max(63).describe('Bucket in the same region.'),
  key: z.string().min(1).max(1_024).describe('Name of the ZIP archive in it.'),
  version: z.string().min(1).max(1_024).exactOptional().describe('Version of the object. Left out: the newest.'),
});
const inSecret = z.strictObject({
  secret: z.string().min(1).max(256).describe('Name of a secret that holds the ZIP archive in Base64.'),
});
const NAME = /^[A-Za-z_]\w*$/;
const nameWords = { error: 'a variable has letters, digits and "_", and begins with no digit' };
const text = z.string().max(4_096);

export const lambdaParams = z.strictObject({
  functionName: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, { error: 'a function name has 1 to 64 letters, digits, "_" and "-"' })
    .describe('Name of the function, unique in the region.'),
  region: z.enum(AWS_REGIONS).exactOptional().describe(`Where the function is. Left out: ${DEFAULT_REGION}.`),
  runtime: z.enum(RUNTIMES).default('nodejs22.x').describe('What runs the code.'),
  handler: z.string().min(1).max(128).describe('File and name of what is called: index.handler.'),
  code: z.union([inBucket, inSecret]).describe('Where the code is.'),
  role: z
    .string()
    .regex(/^(?:arn:aws[a-z-]*:iam::\d{12}:role\/.{1,512}|aws:-:iam-role:[A-Za-z0-9+=,.@_%-]{1,200})$/, {
      error: 'neither the ARN of a role nor the id of one that was provisioned here, which reads aws:-:iam-role:NAME',
    })
    .describe('Role that the function acts as: an ARN, or the id of an iam-role.'),
  description: z.string().max(256).default('').describe('For people.'),
  memoryMb: z.int().min(128).max(10_240).default(128).describe('Memory; processors come with it.'),
  timeoutSeconds: z.int().min(1).max(900).default(30).describe('How long one call may take.'),
  architecture: z.enum(['arm64', 'x86_64']).default('arm64').describe('Processor. arm64 costs a fifth less.'),
  environment: z
    .record(z.string().regex(NAME, nameWords), text)
    .default({})
    .describe('Variables of the function. Nothing secret: it is kept and shown as it is.'),
  secretEnvironment: z
    .record(z.string().regex(NAME, nameWords), z.string().min(1).max(256))
    .default({})
    .describe('Variables whose values are secrets, each by the name of the secret.'),
});
export type LambdaParams = z.infer<typeof lambdaParams>;

const stepsOf = (params: Params): readonly string[] => [
  ...(textOf(params['role']).startsWith('arn:') ? [] : ['find-role']),
  'create-function',
  'await-function',
];

export const lambda: ServiceDefinition = {
  cloud: 'aws',
  service: 'lambda',
  title: 'A function of Lambda, from an archive in S3 or in a secret.',
  version: '1',
  params: lambdaParams,
  regions: AWS_REGIONS,
  idempotency: 'name',
  nameOf: (params) => textOf(params['functionName']),
  stepsOf,
  estimate: (params) =>
    estimated(0, [
      '0.20 USD per million calls',
      `${params['architecture'] === 'x86_64' ? '0.0000166667' : '0.0000133334'} USD per GB and second`,
    ]),
  load: async () => {
    const { createFunction } = await import('./provisioner.ts');
    return { create: (context) => createFunction(context, stepsOf) };
  },
};
