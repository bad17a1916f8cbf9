/** Services made of other services: machines that ship with the product, and those that a tenant offers. */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { authorOf, type AuditEntry, type AuditTrail } from '../audit/audit-trail.ts';
import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject, textOf } from '../core/json.ts';
import type { Item, JsonValue, StoreRoot, TableSpec } from '../core/ports.ts';
import { argumentFault, schemaProblem } from '../registry/validate-arguments.ts';
import type { WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import type { CatalogService, OfferedServices, ServiceWorkflow } from './catalogue.ts';
import type { OfferedService } from './control-plane.ts';
import { problemsOf, refuseProblems, type RequestProblem } from './problems.ts';
import { stepsIn } from './requested-version.ts';
import type { Params, PriceEstimate } from './service.ts';

/** What a composite says of itself beside its machine. */
export interface CompositeDescription {
  readonly cloud: string;
  readonly service: string;
  readonly title: string;
  readonly version: string;
  /** JSON Schema of the parameters, with `name` among them where it has one. */
  readonly params: JsonValue;
  readonly regions?: readonly string[];
  readonly estimate?: PriceEstimate;
}

/** Prices of a composite are those of its parts, which only its run knows. */
const UNKNOWN_PRICE: PriceEstimate = {
  monthlyUsd: 0,
  usage: ['as its parts, see the plan of each'],
  pricesOf: '2026-11-01',
};

const OFFERS: TableSpec = { name: 'OfferedServices', partitionKey: 'group', sortKey: 'service' };
const CLOUDS = ['aws', 'gcp', 'azure', 'multi'] as const;
const nameWords = { error: 'must be 1 to 40 small letters, digits and "-", beginning with a letter' };

/** Everything that an offer has; what else a body holds would be kept with it, and read as something of ours. */
const offerSchema = z.strictObject({
  service: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, nameWords),
  cloud: z.enum(CLOUDS),
  title: z.string().min(1).max(200),
  version: z.string().min(1).max(32),
  params: z.record(z.string(), z.json()),
  definition: z.json(),
});

export function compositeService(
  description: CompositeDescription,
  { definition, workflow }: { readonly definition: JsonValue; readonly workflow: ServiceWorkflow },
): CatalogService {
  const { cloud, service, title, version, params: schema, regions, estimate = UNKNOWN_PRICE } = description;
  const steps = stepsIn(definition);
  return {
    cloud,
    service,
    title,
    version,
    regions,
    defaultRegion: regions?.[0],
    idempotency: 'lookup',
    actions: ['provision', 'destroy', 'plan'],
    paramsSchema: schema,
    workflow,
    check: (params) => checked(schema, params),
    nameOf: (params, requestId) =>
      typeof params['name'] === 'string' && params['name'] !== ''
        ? params['name']
        : `${service}-${createHash('sha256').update(requestId).digest('hex').slice(0, 8)}`,
    stepsOf: () => steps,
    estimate: () => estimate,
  };
}

type Checked = Awaited<ReturnType<CatalogService['check']>>;

async function checked(schema: JsonValue, params: Params): Promise<Checked> {
  const problem = await problemIn(schema, params);
  return problem === undefined ? { params: { ...defaultsOf(schema), ...params } } : { problems: [problem] };
}

async function problemIn(schema: JsonValue, params: Params): Promise<RequestProblem | undefined> {
  const digest = createHash('sha256').update(JSON.stringify(schema)).digest('hex');
  const fault = await argumentFault(digest, schema as Readonly<Record<string, unknown>>, params);
  return fault && { pointer: `/params${fault.pointer}`, message: fault.says.replace(/\.$/, '') };
}

/** Defaults of the first level, where a schema has them. */
function defaultsOf(schema: JsonValue): Params {
  const properties = isObject(schema) && isObject(schema['properties']) ? schema['properties'] : {};
  const entries = Object.entries(properties).flatMap(([key, value]): [string, JsonValue][] =>
    isObject(value) && value['default'] !== undefined ? [[key, value['default'] as JsonValue]] : [],
  );
  return Object.fromEntries(entries);
}

export interface OfferParts {
  readonly store: StoreRoot;
  readonly audit: AuditTrail;
  /** Given once it is there: the engine runs what asks for services. */
  readonly engine: () => WorkflowEngine;
  /** Names that no tenant may take. */
  readonly taken: ReadonlySet<string>;
}

export class OfferStore implements OfferedServices {
  readonly #parts: OfferParts;

  constructor(parts: OfferParts) {
    this.#parts = parts;
  }

  async list(tenant: string): Promise<readonly CatalogService[]> {
    const table = this.#parts.store.store(tenant).table(OFFERS);
    const found: CatalogService[] = [];
    let cursor: string | undefined;
    do {
      const page = await table.query({ partition: 'services', ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.items.map(fromItem));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return found;
  }

  /** @throws PlatformError as `ControlPlane.offer`. */
  async offer(context: RequestContext, offered: OfferedService): Promise<CatalogService> {
    const { tenant } = context;
    const by = authorOf(context);
    refuseProblems(shapeOf(offered));
    refuseProblems(await this.#problems(tenant, offered));
    const { service, cloud, title, definition, version } = offered;
    const machine = {
      name: `service-${service}`,
      kind: 'asl',
      definition,
      description: title,
      ...(/^[1-9]\d{0,8}$/.test(version) ? { version: Number(version) } : {}),
    };
    const registered = await this.#parts.engine().register(tenant, machine, by);
    const workflow = { name: registered.name, version: registered.version, owner: tenant };
    const item = { group: 'services', ...offered, workflow } as unknown as Item;
    const entry: AuditEntry = {
      ...by,
      action: 'service-offered',
      resource: { type: 'service', id: `${cloud}:${service}` },
      details: { version, workflow: registered.name, workflowVersion: registered.version },
    };
    await this.#parts.audit.commit(tenant, [{ put: item, table: OFFERS }], [entry]);
    return fromItem(item);
  }

  async #problems(tenant: string, { service, cloud, params }: OfferedService): Promise<RequestProblem[]> {
    const problems: RequestProblem[] = [];
    const known = await this.#parts.store.store(tenant).table(OFFERS).get({ group: 'services', service });
    if (known !== undefined && known['cloud'] !== cloud)
      problems.push({ pointer: '/service', message: `is offered for ${textOf(known['cloud'])} already` });
    if (this.#parts.taken.has(`${cloud}:${service}`))
      problems.push({ pointer: '/service', message: `is the name of a service that ships with Zeroplane` });
    const wrong = await schemaProblem(params as Record<string, unknown>);
    if (wrong !== undefined) problems.push({ pointer: '/params', message: `is no valid JSON Schema: ${wrong}` });
    return problems;
  }
}

function shapeOf(offered: unknown): RequestProblem[] {
  const parsed = offerSchema.safeParse(offered);
  const keysAt = (path: readonly PropertyKey[]): readonly string[] =>
    path.length === 0 ? Object.keys(offerSchema.shape) : [];
  return parsed.success ? [] : problemsOf(parsed.error, [], keysAt, offered);
}

function fromItem(item: Item): CatalogService {
  const offered = item as unknown as OfferedService & { readonly workflow: ServiceWorkflow };
  if (typeof offered.service !== 'string') throw new PlatformError('STORE_CORRUPT', 'An offered service has no name.');
  return compositeService(offered, { definition: offered.definition, workflow: offered.workflow });
}
