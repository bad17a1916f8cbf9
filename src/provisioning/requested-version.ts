/** Which version of a service that is a workflow a request runs: the one it asks for, or the catalogue's. */

import { isObject } from '../core/json.ts';
import type { WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import type { CatalogService, ServiceWorkflow } from './catalogue.ts';
import type { VersionedWorkflow } from './job.ts';
import { notAmong, refuseProblems, type RequestProblem } from './problems.ts';
import type { ProvisionBody } from './request.ts';

/** What will run, as far as it is known before it does. */
export interface RunOfService {
  /** Absent for a service that is no workflow, and for an action that runs none. */
  readonly workflow?: VersionedWorkflow;
  /** Of a version that is not the catalogue's, whose steps the service knows itself. */
  readonly steps?: readonly string[];
}

type Versions = Pick<WorkflowEngine, 'workflow' | 'versions'>;

export interface RequestedRun {
  readonly tenant: string;
  readonly service: CatalogService;
  readonly body: Pick<ProvisionBody, 'action' | 'workflow'>;
}

/**
 * @throws PlatformError `PROVISION_INVALID` for a version of a service or action that runs no workflow, for the name of
 *   another workflow, and for a version that there is not, with those that there are.
 */
export async function runOfService(
  engine: () => Versions,
  { tenant, service, body }: RequestedRun,
): Promise<RunOfService> {
  const { workflow: offered } = service;
  const asked = body.workflow;
  if (offered === undefined || body.action === 'destroy') {
    const why = offered === undefined ? `${service.service} is no workflow` : 'a destroy runs no workflow';
    const message = `names a version to run, and ${why}; leave it out`;
    if (asked !== undefined) refuseProblems([{ pointer: '/workflow', message }]);
    return {};
  }
  const { name, version } = { ...offered, version: String(offered.version), ...asked };
  const workflow = { name, version };
  if (asked === undefined) return { workflow };
  refuseProblems(await problemsIn(engine(), tenant, { asked, offered }));
  if (version === String(offered.version)) return { workflow };
  const { definition } = await engine().workflow(tenant, name, Number(version));
  return { workflow, steps: stepsIn(definition) };
}

async function problemsIn(
  engine: Versions,
  tenant: string,
  { asked, offered }: { readonly asked: VersionedWorkflow; readonly offered: ServiceWorkflow },
): Promise<readonly RequestProblem[]> {
  const versions = (await engine.versions(tenant, offered.name)).map(String);
  return [
    ...(asked.name === offered.name ? [] : [notAmong('/workflow/name', asked.name, [offered.name])]),
    ...(versions.includes(asked.version) ? [] : [notAmong('/workflow/version', asked.version, versions)]),
  ];
}

/** Names of the states of a machine on its way to a good end, in the order in which they are reached. */
export function stepsIn(definition: unknown): readonly string[] {
  if (!isObject(definition) || !isObject(definition['States'])) return [];
  const states = definition['States'];
  const steps = new Set<string>();
  const pending: unknown[] = [definition['StartAt']];
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (typeof name !== 'string' || steps.has(name) || !Object.hasOwn(states, name)) continue;
    steps.add(name);
    pending.push(...nextOf(states[name]));
  }
  return [...steps];
}

/** What may follow a state that went well; a way back, which only a Catch leads to, is no step of a plan. */
function nextOf(state: unknown): unknown[] {
  if (!isObject(state)) return [];
  const { Next, Default, Choices } = state;
  const chosen = Array.isArray(Choices) ? Choices.map((choice) => isObject(choice) && choice['Next']) : [];
  return [Next, ...chosen, Default].filter((name) => name !== undefined);
}
