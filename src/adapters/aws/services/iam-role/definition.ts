/** A role of IAM. */

import { z } from 'zod';
import { textOf } from '../../../../core/json.ts';
import type { Params, ServiceDefinition } from '../../../../provisioning/service.ts';
import { estimated } from '../../prices.ts';

const statement = z
  .strictObject({
    actions: z
      .array(
        z.string().regex(/^[a-z0-9-]+:[A-Za-z0-9*?]+$/, { error: 'an action is SERVICE:NAME, such as s3:GetObject' }),
      )
      .min(1)
      .max(100)
      .describe('What may be done.'),
    resources: z.array(z.string().min(1).max(2_048)).min(1).max(100).describe('ARNs of what it may be done with.'),
  })
  .refine(({ actions, resources }) => !(actions.some((action) => action === 'iam:*') && resources.includes('*')), {
    error: 'iam:* on every resource makes an administrator; name the actions',
  });

export const iamRoleParams = z.strictObject({
  roleName: z
    .string()
    .regex(/^[A-Za-z0-9+=,.@_-]{1,64}$/, { error: 'a role name has 1 to 64 letters, digits and + = , . @ _ -' })
    .describe('Name of the role, unique in the account.'),
  trustedServices: z
    .array(z.string().regex(/^[a-z0-9.-]+\.amazonaws\.com$/, { error: 'a service is named like lambda.amazonaws.com' }))
    .min(1)
    .max(10)
    .describe('Services of AWS that may act as this role.'),
  managedPolicies: z
    .array(
      z.string().regex(/^arn:aws[a-z-]*:iam::(?:aws|\d{12}):policy\/.{1,512}$/, { error: 'not the ARN of a policy' }),
    )
    .max(10)
    .default([])
    .describe('ARNs of policies that say what the role may do.'),
  statements: z.array(statement).max(50).default([]).describe('What else the role may do.'),
  permissionsBoundary: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::(?:aws|\d{12}):policy\/.{1,512}$/, { error: 'not the ARN of a policy' })
    .exactOptional()
    .describe('ARN of a policy that the role can never go beyond.'),
  maxSessionSeconds: z.int().min(3_600).max(43_200).default(3_600).describe('How long one session may last.'),
});
export type IamRoleParams = z.infer<typeof iamRoleParams>;

const hasAny = (value: unknown): boolean => Array.isArray(value) && value.length > 0;

const stepsOf = (params: Params): readonly string[] => [
  'create-role',
  ...(hasAny(params['managedPolicies']) ? ['attach-policies'] : []),
  ...(hasAny(params['statements']) ? ['put-statements'] : []),
  'await-role',
];

export const iamRole: ServiceDefinition = {
  cloud: 'aws',
  service: 'iam-role',
  title: 'A role that services of AWS act as.',
  version: '1',
  params: iamRoleParams,
  idempotency: 'name',
  nameOf: (params) => textOf(params['roleName']),
  stepsOf,
  estimate: () => estimated(0, []),
  load: async () => {
    const { createRole } = await import('./provisioner.ts');
    return { create: (context) => createRole(context, stepsOf) };
  },
};
