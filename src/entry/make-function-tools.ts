/** From the functions that there are to those that are tools: where they are found, and the target that publishes them. */

import { SCHEMAS, SchemaRegistry } from '../adapters/simulated-cloud/schema-registry.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Clock, Egress, EventPort, Logger, StoreRoot } from '../core/ports.ts';
import type { Target } from '../core/target.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import { DEVELOPER } from '../http/authenticate.ts';
import { hides } from '../policy/visibility.ts';
import { FunctionSources } from '../registry/discovery/function-sources.ts';
import { GenericTarget } from '../registry/discovery/generic-target.ts';
import { LocalFunctionDirectory } from '../registry/discovery/local-directory.ts';
import { FunctionTarget } from '../registry/function-target.ts';
import type { RegistrationStore } from '../registry/registration-store.ts';
import { makeAwsFunctions } from './make-discovery.ts';
import type { AwsPlace } from './make-discovery.ts';
import { functionSettings, serverFunctions } from './make-functions.ts';

export interface FunctionToolsParts {
  /** The configuration as it is now. */
  readonly loaded: () => LoadedConfig;
  readonly functions: FunctionRuntime;
  readonly registrations: RegistrationStore;
  /** Where functions of AWS are found and invoked. Absent: nowhere. */
  readonly aws: AwsPlace | undefined;
  readonly egress: Egress;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly store: StoreRoot;
  readonly events: EventPort;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface FunctionTools {
  readonly sources: FunctionSources;
  readonly registry: FunctionTarget;
  /** The registry as it is published. */
  readonly published: Target;
}

/** Nothing is looked for before `sources.start()`. */
export function makeFunctionTools(parts: FunctionToolsParts): FunctionTools {
  const { loaded } = parts;
  const sources = makeSources(parts);
  const registry = makeRegistry(parts, sources);
  const published = new GenericTarget(
    registry,
    sources,
    (principal, tags) => !hides(loaded().config.audience, principal, tags),
  );
  sources.onChange(() => registry.setFunctions(sources.functions, sources.rule));
  return { sources, registry, published };
}

function makeSources(parts: FunctionToolsParts): FunctionSources {
  const { functions, aws, egress, env, store, clock, log } = parts;
  const loaded = parts.loaded();
  const { config } = loaded;
  const table = store.store(DEVELOPER.tenant).table(SCHEMAS);
  const schemas = new SchemaRegistry({ folder: config.clouds.aws.schemas, table, clock });
  return new FunctionSources({
    local: { directory: new LocalFunctionDirectory(functions.control, schemas), invoker: functions },
    aws: aws === undefined ? undefined : makeAwsFunctions(aws, { env, egress, clock, log }),
    clock,
    log,
    configured: functionSettings(loaded),
    discover: config.discover,
  });
}

function makeRegistry(parts: FunctionToolsParts, sources: FunctionSources): FunctionTarget {
  const { functions, registrations, store, events, clock, log } = parts;
  const { compat } = parts.loaded().config;
  return new FunctionTarget({
    invoker: sources.invoker,
    registrations,
    functions: sources.functions,
    discovery: sources.rule,
    schemaSource: sources.schemas,
    isCompat002: compat.includes('002'),
    defaultEvent: compat.includes('004') ? 'args-extra' : 'arguments',
    clock,
    log,
    store,
    events,
    versions: functions.control,
  });
}

/** What of a configuration decides which functions are published. */
export function sourcesOf({ config }: LoadedConfig): unknown {
  return { functions: config.functions, discover: config.discover, servers: serverFunctions(config) };
}
