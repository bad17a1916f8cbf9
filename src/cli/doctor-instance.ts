/** The checks of `doctor` that ask the running instance. */

import { PlatformError } from '../core/errors.ts';
import { InstanceClient } from './client.ts';
import type { Check } from './doctor-checks.ts';
import type { InstanceFile } from './instance.ts';
import { readStatus } from './instance-status.ts';
import type { InstanceStatus, TargetReport } from '../http/routes/instance.ts';
import { plural } from './style.ts';
import { listTools } from './verbs/tools.ts';
import type { ToolDefinition } from './verbs/tools.ts';

const TIMEOUT_MS = 10_000;
const TARGET_STATUS = { ready: 'pass', starting: 'warn', degraded: 'warn', down: 'fail' } as const;

export async function checkInstance(instance: InstanceFile, version: string): Promise<Check[]> {
  const client = new InstanceClient({ ...instance, version, timeoutMs: TIMEOUT_MS });
  const checks: Check[] = [];
  const reached = await attempt(
    'network',
    () => client.rest('GET', '/healthz'),
    () => `${instance.url} answers`,
  );
  checks.push(reached.check);
  if (reached.value === undefined) return checks;
  const status = await attempt(
    'credentials',
    () => readStatus(client),
    () => 'the token is accepted',
  );
  checks.push(status.check);
  const session = await attempt(
    'session',
    () => client.call({ method: 'server/discover', params: new Map() }),
    () => 'MCP answers',
  );
  checks.push(session.check);
  if (status.value !== undefined)
    checks.push(...status.value.targets.map(targetCheck), ...versionCheck(status.value, version));
  const tools = await attempt(
    'rights',
    () => listTools(client),
    (list) => `you may list ${plural(list.length, 'tool')}, ${costOf(list)}`,
  );
  checks.push(tools.check);
  if (tools.value === undefined) return checks;
  return [
    ...checks,
    ...nameChecks(tools.value),
    ...parameterChecks(tools.value),
    ...(await registrationChecks(client, tools.value)),
  ];
}

interface Attempt<Value> {
  readonly check: Check;
  readonly value: Value | undefined;
}

async function attempt<Value>(
  name: string,
  run: () => Promise<Value>,
  observed: (value: Value) => string,
): Promise<Attempt<Value>> {
  try {
    const value = await run();
    return { check: { name, status: 'pass', observed: observed(value) }, value };
  } catch (error) {
    const action = actionFor(error);
    return {
      check: { name, status: 'fail', observed: (error as Error).message, ...(action === undefined ? {} : { action }) },
      value: undefined,
    };
  }
}

function actionFor(error: unknown): string | undefined {
  if (!(error instanceof PlatformError)) return undefined;
  if (error.code === 'UNAUTHENTICATED') return 'Stop the instance and start it again: zeroplane dev';
  const { next } = error.details;
  return typeof next === 'string' ? next : undefined;
}

function targetCheck(target: TargetReport): Check {
  const name = `target:${target.id}`;
  const status = TARGET_STATUS[target.state] ?? 'warn';
  const counted = `${target.state}, ${plural(target.tools, 'tool')}`;
  const observed = target.reason === undefined ? counted : `${counted}: ${target.reason}`;
  if (status === 'pass') return { name, status, observed };
  return { name, status, observed, action: `Correct mcpServers.${target.id}; a running dev takes it over by itself.` };
}

function versionCheck(status: InstanceStatus, version: string): Check[] {
  if (status.version === version) return [];
  return [
    {
      name: 'instance:version',
      status: 'warn',
      observed: `it is ${status.version}, this is ${version}`,
      action: 'Start it again: zeroplane dev',
    },
  ];
}

/** What the list costs a model, at four characters a token. */
function costOf(tools: readonly ToolDefinition[]): string {
  return `about ${Math.ceil(JSON.stringify(tools).length / 4)} tokens`;
}

/** Names that some models or clients refuse. */
export function nameChecks(tools: readonly ToolDefinition[]): Check[] {
  const seen = new Set<string>();
  const checks: Check[] = [];
  for (const { name } of tools) {
    const fault = seen.has(name) ? 'is listed twice' : faultOf(name);
    seen.add(name);
    if (fault !== undefined)
      checks.push({
        name: 'names',
        status: 'warn',
        observed: `"${name}" ${fault}`,
        action: 'Some clients will refuse it. Rename the tool or its target.',
      });
  }
  return checks.length > 0
    ? checks
    : [{ name: 'names', status: 'pass', observed: 'every name is one that models accept' }];
}

function faultOf(name: string): string | undefined {
  if (name.length > 64) return `has ${name.length} characters, more than 64`;
  return /^[A-Za-z0-9_-]+$/.test(name) ? undefined : 'has characters other than letters, digits, _ and -';
}

function parameterChecks(tools: readonly ToolDefinition[]): Check[] {
  const bad = tools.filter((tool) => (tool.inputSchema as { type?: unknown } | undefined)?.type !== 'object');
  const checks = bad.map((tool): Check => ({
    name: 'parameters',
    status: 'fail',
    observed: `"${tool.name}" has no object schema for its arguments`,
    action: 'Give it an inputSchema of type object.',
  }));
  return checks.length > 0
    ? checks
    : [{ name: 'parameters', status: 'pass', observed: 'every tool describes its arguments' }];
}

async function registrationChecks(client: InstanceClient, tools: readonly ToolDefinition[]): Promise<Check[]> {
  const { check, value } = await attempt(
    'registrations',
    () => client.rest('GET', '/register'),
    (answer) => countOf(answer.value),
  );
  const names = new Set(tools.map((tool) => tool.name));
  const isHidden = names.has('search_tools');
  const registrations = Array.isArray(value?.value)
    ? (value.value as { id: string; type: string; name: string }[])
    : [];
  const missing = isHidden ? [] : registrations.filter((entry) => entry.type === 'tool' && !names.has(entry.name));
  return [
    check,
    ...missing.map((entry): Check => ({
      name: 'registrations',
      status: 'fail',
      observed: `${entry.id} is registered, but no tool "${entry.name}" is listed`,
      action: `zeroplane unregister ${entry.id}, then register it again`,
    })),
  ];
}

function countOf(value: unknown): string {
  return Array.isArray(value) ? `${plural(value.length, 'registration')} listed` : 'none';
}
