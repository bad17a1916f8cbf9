/** Every operation of the control plane's API, as data. A test holds this table and the routes equal. */

import { RESOURCE_STATUSES } from '../../provisioning/control-plane.ts';
import { JOB_STATUSES } from '../../provisioning/job.ts';
import { described, oneOf, ref, text, wholeNumber, type Schema } from './json-schema.ts';
import type { Answer, Operation, Parameter } from './operation.ts';
import { WORKFLOW_OPERATIONS } from './workflow-operations.ts';

const inHeader = (name: string, description: string): Parameter => ({ in: 'header', name, schema: text, description });
const inQuery = (name: string, description: string, schema: Schema = text): Parameter => ({
  in: 'query',
  name,
  schema,
  description,
});

const PAGE: readonly Parameter[] = [
  inQuery('limit', 'At most this many.', { type: 'integer', minimum: 1, maximum: 500, default: 100 }),
  inQuery('cursor', '`next` of the page before.'),
];
const TENANT = inQuery('tenant', "The caller's own; another one is 403.");
const ENV = inQuery('env', 'Of one environment alone.');

const FILLED =
  'A filter reads on until the page is full. A request that has read 10,000 rows for it ends with what it has, and still a next.';

const JOB: Answer = { description: 'The job as it is now.', schema: ref('Job') };
const ACCEPTED: Answer = {
  description: 'The job is on disk.',
  schema: ref('Job'),
  headers: { Location: described(text, 'Where its status is.') },
};
const WAITED: Answer = {
  description: 'The job has ended while the answer was held.',
  schema: ref('Job'),
  headers: { ...ACCEPTED.headers, 'Preference-Applied': described(text, '`wait=N`.') },
};

const submission = (id: string, path: string, summary: string, body: string): Operation => ({
  id,
  tag: 'jobs',
  method: 'post',
  path,
  summary,
  parameters: [
    inHeader('Idempotency-Key', 'For 24 hours the same key and body lead to the same job; another body is 422.'),
    inHeader('Prefer', '`wait=N` holds the answer up to N seconds, 25 at most.'),
  ],
  body: { schema: ref(body) },
  answers: { '200': WAITED, '202': ACCEPTED },
});

const verb = (name: string, summary: string, takesComment = false): Operation => ({
  id: `${name}Job`,
  tag: 'jobs',
  method: 'post',
  path: `/v2/jobs/{requestId}/${name}`,
  summary,
  ...(takesComment ? { body: { schema: ref('Decision'), isOptional: true } } : {}),
  answers: { '202': ACCEPTED },
});

const JOBS: readonly Operation[] = [
  submission('provision', '/v1/provision', 'Make, change, remove or plan a resource.', 'ProvisionRequest'),
  submission('provisionAlias', '/provision', 'The same as `/v1/provision`.', 'ProvisionRequest'),
  submission('terminate', '/terminate', 'Remove a resource: the same body, without `action`.', 'TerminateRequest'),
  {
    id: 'listJobs',
    tag: 'jobs',
    method: 'get',
    path: '/v2/status',
    summary: 'Jobs, newest first.',
    description: FILLED,
    parameters: [
      TENANT,
      ENV,
      inQuery('status', 'In one state alone.', oneOf(JOB_STATUSES)),
      inQuery('error', 'With an error of this code alone: `JOB_UNPROCESSABLE` for dead letters.'),
      ...PAGE,
    ],
    answers: { '200': { description: 'A page of jobs.', schema: ref('JobList') } },
  },
  {
    id: 'getJob',
    tag: 'jobs',
    method: 'get',
    path: '/v2/status/{requestId}',
    summary: 'A job with its steps.',
    answers: { '200': JOB },
  },
  verb('cancel', 'End a job that waits, undo one that runs.'),
  verb('approve', 'Let a job run that waits for approval.', true),
  verb('reject', 'End a job that waits for approval.', true),
  verb('retry', 'Continue a failed job forward, or a failed undo.'),
  verb('rollback', 'Undo a job that succeeded.'),
  {
    id: 'followJob',
    tag: 'jobs',
    method: 'get',
    path: '/v2/jobs/{requestId}/events',
    summary: 'What happens to a job, as server-sent events to its end.',
    description:
      'Each has an `id` that grows from 1, an `event` that is its type, and `data` with both. A stream that was cut goes on after `Last-Event-ID`.',
    parameters: [
      inHeader('Last-Event-ID', 'Go on after this event.'),
      inQuery('after', 'The same, for those that cannot send headers.', wholeNumber()),
    ],
    answers: { '200': { description: 'The stream.', schema: ref('JobEvent'), type: 'text/event-stream' } },
  },
];

const LISTS: readonly Operation[] = [
  {
    id: 'listResources',
    tag: 'resources',
    method: 'get',
    path: '/v2/resources',
    summary: 'What the tenant has.',
    description: FILLED,
    parameters: [
      TENANT,
      ENV,
      inQuery('cloud', 'Of one cloud alone.'),
      inQuery('service', 'Of one service.'),
      inQuery('status', 'In one state alone.', oneOf(RESOURCE_STATUSES)),
      ...PAGE,
    ],
    answers: { '200': { description: 'A page of resources.', schema: ref('ResourceList') } },
  },
  {
    id: 'getResource',
    tag: 'resources',
    method: 'get',
    path: '/v2/resources/{id}',
    summary: 'One resource, by its id with each part of it percent-encoded.',
    answers: { '200': { description: 'The resource as it is now.', schema: ref('Resource') } },
  },
  {
    id: 'listServices',
    tag: 'catalog',
    method: 'get',
    path: '/v1/catalog',
    summary: 'Services, each with the schema of its parameters.',
    answers: { '200': { description: 'All of them.', schema: ref('Catalog') } },
  },
  {
    id: 'offerService',
    tag: 'catalog',
    method: 'post',
    path: '/v1/catalog',
    summary: 'Offer a state machine as a service of the tenant.',
    body: { schema: ref('OfferedService') },
    answers: { '201': { description: 'The service.', schema: ref('Service') } },
  },
  {
    id: 'listAudit',
    tag: 'audit',
    method: 'get',
    path: '/v1/audit',
    summary: 'The audit trail, newest first.',
    parameters: PAGE,
    answers: { '200': { description: 'A page of records.', schema: ref('AuditList') } },
  },
  {
    id: 'getAuditHead',
    tag: 'audit',
    method: 'get',
    path: '/v1/audit/head',
    summary: 'The newest records of the audit trail, as text to keep elsewhere.',
    answers: { '200': { description: 'The head.', schema: ref('AuditHead') } },
  },
  {
    id: 'verifyAudit',
    tag: 'audit',
    method: 'get',
    path: '/v1/audit/verify',
    summary: 'Whether the audit trail is whole.',
    parameters: [inQuery('head', '`head` of an earlier `/v1/audit/head`: what the trail must still have.')],
    answers: { '200': { description: 'The verdict.', schema: ref('AuditVerdict') } },
  },
  {
    id: 'getOpenApi',
    tag: 'description',
    method: 'get',
    path: '/v1/openapi.json',
    summary: 'This document, with the services that the caller may ask for.',
    answers: { '200': { description: 'OpenAPI 3.1.', schema: { type: 'object' } } },
  },
  {
    id: 'listSchemas',
    tag: 'description',
    method: 'get',
    path: '/v1/schemas',
    summary: 'The schemas of this document that can be had by themselves.',
    answers: { '200': { description: 'Their names.', schema: ref('SchemaList') } },
  },
  {
    id: 'getSchema',
    tag: 'description',
    method: 'get',
    path: '/v1/schemas/{name}.json',
    summary: 'A schema with everything that it refers to.',
    answers: { '200': { description: 'JSON Schema 2020-12.', schema: { type: 'object' } } },
  },
];

export const OPERATIONS: readonly Operation[] = [...JOBS, ...LISTS, ...WORKFLOW_OPERATIONS];
