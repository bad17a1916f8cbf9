/**
 * What can be asked for: the services of all clouds, composites that ship with the product, and those that a tenant
 * offers. Each answers for its own parameters; nothing of any cloud is loaded to ask it.
 */

import { z } from 'zod';
import type { JsonValue } from '../core/ports.ts';
import type { CatalogEntry } from './control-plane.ts';
import type { JobAction } from './job.ts';
import { notAmong, pointerOf, problemsOf, refuseProblems, type RequestProblem } from './problems.ts';
import type { Params, PriceEstimate, ServiceDefinition } from './service.ts';

/** The machine behind a composite service. */
export interface ServiceWorkflow {
  readonly name: string;
  readonly version: number;
  /** `*` for those that ship with the product. */
  readonly owner: string;
}

export interface CatalogService {
  readonly cloud: string;
  readonly service: string;
  readonly version: string;
  readonly title: string;
  readonly actions: readonly JobAction[];
  readonly regions?: readonly string[] | undefined;
  /** Where a request means that names no region. */
  readonly defaultRegion?: string | undefined;
  readonly idempotency: 'token' | 'lookup' | 'name';
  readonly paramsSchema: JsonValue;
  readonly workflow?: ServiceWorkflow | undefined;
  /** The provisioner behind it; absent for a composite. */
  readonly definition?: ServiceDefinition | undefined;
  /** Checks and fills in defaults. */
  check(params: Params): Promise<{ readonly params: Params } | { readonly problems: readonly RequestProblem[] }>;
  nameOf(params: Params, requestId: string): string;
  stepsOf(params: Params): readonly string[];
  estimate(params: Params, region: string | undefined): PriceEstimate;
}

const SINGLE_ACTIONS: readonly JobAction[] = ['provision', 'destroy', 'update', 'plan'];

export function serviceOf(definition: ServiceDefinition): CatalogService {
  const { cloud, service, version, title, regions, idempotency, params: schema } = definition;
  const paramsSchema = z.toJSONSchema(schema, { io: 'input' }) as JsonValue;
  const keys = Object.keys((paramsSchema as { properties?: object }).properties ?? {});
  return {
    cloud,
    service,
    version,
    title,
    regions,
    defaultRegion: definition.defaultRegion ?? regions?.[0],
    idempotency,
    paramsSchema,
    definition,
    actions: SINGLE_ACTIONS,
    check: (params) => {
      const parsed = schema.safeParse(params);
      return Promise.resolve(
        parsed.success
          ? { params: parsed.data }
          : { problems: problemsOf(parsed.error, ['params'], (path) => (path.length === 0 ? keys : []), params) },
      );
    },
    nameOf: (params, requestId) => definition.nameOf(params, requestId),
    stepsOf: (params) => definition.stepsOf(params),
    estimate: (params, region) => definition.estimate(params, region),
  };
}

/** Where the services that a tenant offers are kept. */
export interface OfferedServices {
  list(tenant: string): Promise<readonly CatalogService[]>;
}

export class ServiceCatalogue {
  readonly #shipped: readonly CatalogService[];
  readonly #offered: OfferedServices;

  constructor(shipped: readonly CatalogService[], offered: OfferedServices = { list: () => Promise.resolve([]) }) {
    this.#shipped = shipped;
    this.#offered = offered;
  }

  async all(tenant: string): Promise<readonly CatalogService[]> {
    return [...this.#shipped, ...(await this.#offered.list(tenant))];
  }

  /** @throws PlatformError `PROVISION_INVALID` naming the clouds or services that there are. */
  async find(tenant: string, cloud: string, service: string): Promise<CatalogService> {
    // Nobody can offer a service under a name of those that ship.
    const shipped = this.#shipped.find((each) => each.cloud === cloud && each.service === service);
    if (shipped !== undefined) return shipped;
    const all = await this.all(tenant);
    const ofCloud = all.filter((each) => each.cloud === cloud);
    if (ofCloud.length === 0)
      refuseProblems([notAmong('/cloud', cloud, [...new Set(all.map((each) => each.cloud))].toSorted())]);
    const found = ofCloud.find((each) => each.service === service);
    if (found !== undefined) return found;
    const elsewhere = all.find((each) => each.service === service);
    const problem = notAmong(
      '/service',
      service,
      ofCloud.map((each) => each.service),
    );
    const hint = elsewhere === undefined ? '' : `; "${service}" is a service of ${elsewhere.cloud}`;
    refuseProblems([{ ...problem, message: `${problem.message}${hint}` }]);
    throw new Error('unreachable');
  }

  /** @throws PlatformError `PROVISION_INVALID` with what is wrong with the parameters and the region. */
  async checked(found: CatalogService, params: Params, region: string | undefined): Promise<Params> {
    const result = await found.check(params);
    const problems: RequestProblem[] = 'problems' in result ? [...result.problems] : [];
    const known = problems.some(({ pointer }) => pointer === pointerOf(['params', 'region']));
    if (region !== undefined && found.regions !== undefined && !found.regions.includes(region) && !known)
      problems.push(notAmong(params['region'] === region ? '/params/region' : '/region', region, found.regions));
    if (region !== undefined && found.regions === undefined && found.definition !== undefined)
      problems.push({ pointer: '/region', message: `is not known: ${found.service} of ${found.cloud} has no region` });
    refuseProblems(problems);
    return 'params' in result ? result.params : {};
  }
}

/** @param label - Whether its cloud is simulated here. */
export function catalogEntry(found: CatalogService, label: CatalogEntry['label']): CatalogEntry {
  const { cloud, service, version, title, actions, regions, idempotency, paramsSchema, workflow } = found;
  return {
    cloud,
    service,
    version,
    title,
    actions,
    ...(regions === undefined ? {} : { regions }),
    params: paramsSchema,
    ...(workflow === undefined
      ? {}
      : { workflow: { name: workflow.name, version: String(workflow.version), owner: workflow.owner } }),
    idempotency,
    label,
  };
}
