/** A service of Cloud Run: a container behind HTTPS that only callers with rights may call, unless asked otherwise. */

import { z } from 'zod';
import type { ServiceDefinition } from '../../../../provisioning/service.ts';
import { projectName } from '../../google-names.ts';
import { projectParam } from '../../google-params.ts';
import {
  PRICES_OF,
  RUN_GIB_SECOND,
  RUN_IDLE_GIB_SECOND,
  RUN_IDLE_VCPU_SECOND,
  RUN_MILLION_REQUESTS,
  RUN_VCPU_SECOND,
  SECONDS_PER_MONTH,
} from '../../google-prices.ts';
import { DEFAULT_REGION, GOOGLE_REGIONS } from '../../google-regions.ts';

export const cloudRunParams = z.strictObject({
  serviceName: z
    .string()
    .regex(/^[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?$/, {
      error: 'a name begins with a letter and has up to 49 lower-case letters, digits and "-"',
    })
    .describe('Name of the service, unique in its project and region.'),
  image: z
    .string()
    .min(1)
    .max(500)
    .regex(/^[^\s@]+(?:@sha256:[0-9a-f]{64})?$/, { error: 'an image is written like REGISTRY/NAME:TAG' })
    .describe('Container image: us-docker.pkg.dev/cloudrun/container/hello.'),
  region: z.enum(GOOGLE_REGIONS).exactOptional().describe(`Where it runs. Left out: ${DEFAULT_REGION}.`),
  project: projectParam,
  port: z.int().min(1).max(65_535).default(8080).describe('Port on which the container listens.'),
  cpu: z.enum(['1', '2', '4', '8']).default('1').describe('Processors of an instance.'),
  memoryMb: z.int().min(512).max(32_768).default(512).describe('Memory of an instance, in MiB.'),
  minInstances: z.int().min(0).max(100).default(0).describe('Instances that are kept waiting, and paid for.'),
  maxInstances: z.int().min(1).max(1_000).default(10).describe('Most instances at a time.'),
  ingress: z
    .enum(['all', 'internal', 'internal-and-load-balancer'])
    .default('all')
    .describe('From where it can be reached: everywhere, or from within the project alone.'),
  publicAccess: z
    .boolean()
    .default(false)
    .describe('Lets everybody call it without credentials. Otherwise callers need the right to invoke it.'),
  serviceAccount: z
    .string()
    .regex(/^[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com$/, { error: 'an account is named by its address' })
    .exactOptional()
    .describe("Whose rights the container has. Left out: the project's default account."),
});

export type CloudRunParams = z.infer<typeof cloudRunParams>;

export const cloudRun: ServiceDefinition = {
  cloud: 'gcp',
  service: 'cloud-run',
  title: 'A Cloud Run service that only callers with rights may call.',
  version: '1',
  params: cloudRunParams,
  regions: GOOGLE_REGIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  nameOf(params) {
    const { project, serviceName } = cloudRunParams.parse(params);
    return projectName(project, serviceName);
  },
  stepsOf: (params) => [
    'create-service',
    'finish-service',
    ...(params['publicAccess'] === true ? ['allow-everybody'] : []),
    'await-service',
  ],
  estimate(params) {
    const { cpu, memoryMb, minInstances } = cloudRunParams.parse(params);
    const idle = Number(cpu) * RUN_IDLE_VCPU_SECOND + (memoryMb / 1024) * RUN_IDLE_GIB_SECOND;
    return {
      monthlyUsd: Math.round(minInstances * idle * SECONDS_PER_MONTH * 100) / 100,
      usage: [
        `${RUN_VCPU_SECOND} USD per vCPU and second, ${RUN_GIB_SECOND} USD per GiB and second of requests`,
        `${RUN_MILLION_REQUESTS} USD per million requests`,
      ],
      pricesOf: PRICES_OF,
    };
  },
  load: async () => ({ create: (await import('./provisioner.ts')).createCloudRunProvisioner }),
};
