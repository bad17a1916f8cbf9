/** The shapes of the control plane's API: requests from the schemas that check them, answers as they are given. */

import { RESOURCE_STATUSES, type CatalogEntry, type JobEvent } from '../../provisioning/control-plane.ts';
import { JOB_STATUSES, type JobAction } from '../../provisioning/job.ts';
import { paramsName, requestSchemaFor } from '../../provisioning/request-schema.ts';
import {
  anyObject,
  asComponent,
  described,
  flag,
  instant,
  listOf,
  mapOf,
  oneOf,
  ref,
  shape,
  text,
  wholeNumber,
  type Schema,
} from './json-schema.ts';
import { WORKFLOW_SCHEMAS } from './workflow-schemas.ts';

/** Every value of a union; the type sees to it that none is missing. */
const all = <Value extends string>(values: Record<Value, true>): readonly Value[] => Object.keys(values) as Value[];

const ACTIONS = all<JobAction>({ provision: true, destroy: true, update: true, plan: true });
const EVENT_TYPES = all<JobEvent['type']>({
  'job-status-changed': true,
  'step-started': true,
  'step-ended': true,
  'job-ended': true,
});

const label = described(oneOf(['simulated', 'live']), 'Whether the cloud is simulated on this machine.');

const estimate = shape({
  monthlyUsd: described({ type: 'number' }, 'US dollars for a month of 730 hours, without what depends on use.'),
  usage: described(listOf(text), 'What is paid by use.'),
  pricesOf: described(text, 'Day of the prices.'),
});

const jobError = shape({ code: text, message: text, 'step?': text, 'details?': anyObject });

const step = shape({
  step: text,
  resourceId: text,
  status: oneOf(['running', 'retrying', 'succeeded', 'failed']),
  attempts: wholeNumber(1),
  startedAt: instant,
  'endedAt?': instant,
  'error?': shape({ code: text, message: text }),
});

const approval = shape({
  expiresAt: instant,
  because: described(oneOf(['request', 'rule']), 'Who wants it: the request, or a rule of the configuration.'),
  'decision?': oneOf(['approved', 'rejected']),
  'decidedBy?': text,
  'decidedAt?': instant,
  'comment?': text,
});

const result: Schema = {
  type: 'object',
  properties: {
    status: described(text, '`provisioned`, `deprovisioned`, `planned` or `rolled_back`.'),
    id: text,
    outputs: anyObject,
  },
  required: ['status'],
};

const job = shape({
  requestId: text,
  status: oneOf(JOB_STATUSES),
  action: oneOf(ACTIONS),
  cloud: text,
  service: text,
  tenant: text,
  env: text,
  'region?': text,
  resourceId: text,
  label,
  requestedBy: text,
  createdAt: instant,
  updatedAt: instant,
  'expiresAt?': described(instant, 'When the resource is destroyed by itself.'),
  'approval?': approval,
  'workflow?': described(shape({ name: text, version: text }), 'What runs, and in which version.'),
  'tags?': mapOf(text),
  estimate,
  'result?': result,
  'error?': jobError,
  'reason?': described(text, 'Why it is undone or ended although nothing failed, or when it is tried again.'),
  links: shape({ self: text, events: text }),
  'steps?': described(listOf(step), 'With `/v2/status/{requestId}` alone.'),
  'webhook?': described(
    shape({ status: oneOf(['pending', 'delivered', 'given-up']), attempts: wholeNumber(), 'reason?': text }),
    'With `/v2/status/{requestId}` alone, once the job has ended: whether its webhook was told.',
  ),
});

const resource = shape({
  id: described(text, '`cloud:region:service:name`.'),
  cloud: text,
  service: text,
  'region?': text,
  name: text,
  tenant: text,
  env: text,
  status: oneOf(RESOURCE_STATUSES),
  isAdopted: described(flag, 'It was there before, and no job that adopted it undoes it.'),
  requestId: described(text, 'The job that made it.'),
  owner: text,
  outputs: anyObject,
  tags: mapOf(text),
  createdAt: instant,
  updatedAt: instant,
  'expiresAt?': instant,
  'partOf?': described(text, 'Id of the composite that it is part of.'),
  'sweep?': described(
    shape({ attempts: wholeNumber(1), nextAt: instant }),
    'Once its life has ended: jobs that were to remove it, and when the next one comes if it is still there.',
  ),
});

const service = shape({
  cloud: text,
  service: text,
  version: text,
  title: text,
  actions: listOf(oneOf(ACTIONS)),
  'regions?': listOf(text),
  params: described({ type: ['object', 'boolean'] }, 'JSON Schema of the parameters.'),
  'workflow?': shape({ name: text, version: text, owner: text }),
  idempotency: oneOf(['token', 'lookup', 'name']),
  'estimate?': estimate,
  label,
});

/** RFC 9457, with members of ours; some codes have more, which errors.md tells of. */
const problem: Schema = {
  type: 'object',
  properties: {
    type: text,
    title: text,
    status: wholeNumber(400),
    detail: text,
    instance: described(text, 'Id of the request, as in the log.'),
    code: described(text, 'Stable.'),
    retryable: described(flag, 'Whether the same request can succeed later without a change.'),
    problems: listOf(
      shape({
        pointer: described(text, 'JSON pointer into the body.'),
        message: text,
        'allowed?': listOf(text),
        'nearest?': text,
        'code?': described(text, 'Of a state machine: `WORKFLOW_INVALID` or `WORKFLOW_UNSUPPORTED`.'),
        'state?': text,
        'next?': described(text, 'What to do about it.'),
        'line?': wholeNumber(1),
        'column?': wholeNumber(1),
      }),
    ),
  },
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'retryable'],
};

const headRecord = shape({ chain: text, sequence: wholeNumber(1), hash: text });

const auditRecord = shape({
  chain: text,
  sequence: wholeNumber(1),
  at: instant,
  entry: shape({
    action: text,
    resource: shape({ type: text, id: text }),
    principal: text,
    requestId: text,
    'details?': anyObject,
  }),
  previous: text,
  'beside?': described(listOf(headRecord), 'The ends of the chains of other processes that were known by then.'),
  hash: text,
  seal: text,
});

const auditHead = shape({
  head: described(text, 'For `/v1/audit/verify?head=`; empty while nothing is recorded.'),
  records: listOf(headRecord),
});

const verdict = shape({
  isIntact: flag,
  chains: wholeNumber(),
  records: wholeNumber(),
  'until?': instant,
  problems: listOf(shape({ chain: text, sequence: wholeNumber(), problem: text, message: text })),
});

const offered = shape({
  service: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,39}$' },
  cloud: oneOf(['aws', 'gcp', 'azure', 'multi']),
  title: { type: 'string', minLength: 1, maxLength: 200 },
  version: { type: 'string', minLength: 1, maxLength: 32 },
  params: described(anyObject, 'JSON Schema of the parameters.'),
  definition: described(anyObject, 'A state machine in the Amazon States Language.'),
});

/** Data of an event on `/v2/jobs/{requestId}/events`; what else it holds depends on its type. */
const jobEvent: Schema = {
  type: 'object',
  properties: { id: wholeNumber(1), type: oneOf(EVENT_TYPES), at: instant },
  required: ['id', 'type', 'at'],
};

const page = (key: string, item: string): Schema =>
  shape({ [key]: listOf(ref(item)), next: described({ type: ['string', 'null'] }, 'Cursor of the next page.') });

const FIXED: Readonly<Record<string, Schema>> = {
  Job: job,
  JobList: page('jobs', 'Job'),
  JobEvent: jobEvent,
  Decision: shape({ 'comment?': { ...text, maxLength: 1_000 } }),
  Resource: resource,
  ResourceList: page('resources', 'Resource'),
  Service: service,
  Catalog: shape({ services: listOf(ref('Service')) }),
  OfferedService: offered,
  AuditRecord: auditRecord,
  AuditList: page('records', 'AuditRecord'),
  AuditHead: auditHead,
  AuditVerdict: verdict,
  SchemaList: shape({ schemas: listOf(shape({ name: text, href: text })) }),
  Problem: problem,
  ...WORKFLOW_SCHEMAS,
};

/** @param services - Those that the caller may ask for. */
export function componentSchemas(services: readonly CatalogEntry[]): Readonly<Record<string, Schema>> {
  const params = services.map((each): [string, Schema] => {
    const name = paramsName(each);
    return [name, asComponent(each.params, name)];
  });
  return {
    ProvisionRequest: requestSchemaFor(services, false, ref),
    TerminateRequest: requestSchemaFor(services, true, ref),
    ...FIXED,
    ...Object.fromEntries(params),
  };
}
