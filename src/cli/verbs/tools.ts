/** `tools ls|find|show`: the catalogue as the caller sees it. */

import { PlatformError } from '../../core/errors.ts';
import type { InstanceClient } from '../client.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { connectToInstance } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, printable, table } from '../style.ts';
import { nearestOf } from '../../core/nearest.ts';

/** The gateway's own tool that stands in for a list that is too long. */
const SEARCH_TOOL = 'search_tools';

export interface ToolDefinition {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema?: InputSchema;
}

export interface InputSchema {
  readonly properties?: Readonly<Record<string, PropertySchema>>;
  readonly required?: readonly string[];
}

export interface PropertySchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
}

export async function listTools(client: InstanceClient, path?: string): Promise<ToolDefinition[]> {
  return (await client.list('tools/list', path)) as unknown as ToolDefinition[];
}

export async function* toolsLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const target = invocation.words[0];
  const tools = await listTools(client, target === undefined ? '/mcp' : `/mcp/${encodeURIComponent(target)}`);
  yield result(tools, (style) => listText(tools, style, context.terminal.columns));
  return undefined;
}

export function listText(tools: readonly ToolDefinition[], style: Style, columns: number): string {
  if (tools.length === 0)
    return 'No tools. Add a server with  zeroplane import  or a function with  zeroplane register';
  const width = Math.min(64, Math.max(...tools.map((tool) => tool.name.length)));
  const rows = tools.map((tool) => [
    { text: oneLine(tool.name, 64), paint: style.bold },
    oneLine(tool.description ?? tool.title ?? '', Math.max(20, columns - width - 4)),
  ]);
  return `${table(rows, '')}\n${style.dim(plural(tools.length, 'tool'))}`;
}

export async function* toolsFind(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const limit = Number(invocation.text('limit') ?? '10');
  if (!Number.isInteger(limit) || limit < 1)
    throw new PlatformError('USAGE', '--limit takes a whole number from 1 on.');
  const client = await connectToInstance(invocation, context);
  const tools = await listTools(client);
  const found = await findTools(client, tools, { query: invocation.words.join(' '), limit });
  const none = `Nothing fits "${printable(invocation.words.join(' '))}". See all with  zeroplane tools ls`;
  yield result(found, (style) => (found.length === 0 ? none : listText(found, style, context.terminal.columns)));
  return undefined;
}

/** The instance searches what clients are not shown too, such as tags; one that cannot is searched by what it lists. */
async function findTools(
  client: InstanceClient,
  tools: readonly ToolDefinition[],
  wanted: { readonly query: string; readonly limit: number },
): Promise<readonly ToolDefinition[]> {
  const searched = await searchInstance(client, wanted);
  if (searched !== undefined) return searched;
  if (!tools.some((tool) => tool.name === SEARCH_TOOL)) {
    const { searchTools } = await import('../tool-search.ts');
    return searchTools(tools, wanted.query, wanted.limit);
  }
  const params = new Map([
    ['name', JSON.stringify(SEARCH_TOOL)],
    ['arguments', JSON.stringify(wanted)],
  ]);
  const { value } = await client.call({ method: 'tools/call', name: SEARCH_TOOL, params });
  const { tools: found } = (value['structuredContent'] ?? {}) as { tools?: ToolDefinition[] };
  return found ?? [];
}

/** `undefined` from an instance without that route. */
async function searchInstance(
  client: InstanceClient,
  wanted: { readonly query: string; readonly limit: number },
): Promise<readonly ToolDefinition[] | undefined> {
  const query = new URLSearchParams({ query: wanted.query, limit: String(wanted.limit) });
  try {
    const { value } = await client.rest('GET', `/v1/tools?${query.toString()}`);
    return (value as { tools?: ToolDefinition[] }).tools;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

export async function* toolsShow(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const tools = await listTools(client);
  const isNamed = (candidate: ToolDefinition): boolean => candidate.name === invocation.word;
  const tool =
    tools.find(isNamed) ?? (await findTools(client, tools, { query: invocation.word, limit: 50 })).find(isNamed);
  if (tool === undefined) throw unknownTool(invocation.word, tools);
  yield result(tool, (style) => showText(tool, style));
  return undefined;
}

function unknownTool(name: string, tools: readonly ToolDefinition[]): PlatformError {
  const near = nearestOf(
    name,
    tools.map((tool) => tool.name),
  );
  const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
  return new PlatformError('UNKNOWN_NAME', `There is no tool "${name}".${hint}`, { next: 'zeroplane tools ls' });
}

export function showText(tool: ToolDefinition, style: Style): string {
  const parts = [style.bold(printable(tool.name))];
  if (tool.description !== undefined) parts.push(printable(tool.description));
  const properties = Object.entries(tool.inputSchema?.properties ?? {});
  const required = new Set(tool.inputSchema?.required);
  if (properties.length > 0) {
    parts.push(
      '',
      style.dim('Arguments'),
      table(properties.map(([key, schema]) => propertyRow(key, schema, required.has(key)))),
    );
  }
  parts.push('', style.dim('Call'), `  ${callLine(tool)}`);
  return parts.join('\n');
}

function propertyRow(key: string, schema: PropertySchema, isRequired: boolean): string[] {
  const choices = schema.enum === undefined ? '' : ` (${schema.enum.map((value) => JSON.stringify(value)).join(', ')})`;
  const remark = `${schema.description ?? ''}${choices}`;
  return [oneLine(key, 40), typeName(schema), isRequired ? 'required' : '', oneLine(remark, 200)];
}

function typeName(schema: PropertySchema): string {
  if (schema.type === undefined) return 'any';
  return typeof schema.type === 'string' ? schema.type : schema.type.join(' or ');
}

/** A call with each required argument, ready to be copied and filled in. */
function callLine(tool: ToolDefinition): string {
  const properties = tool.inputSchema?.properties ?? {};
  const words = (tool.inputSchema?.required ?? []).map((key) => {
    const type = properties[key]?.type;
    return type === undefined || type === 'string' ? `${key}=…` : `${key}:=…`;
  });
  return printable(['zeroplane call', tool.name, ...words].join(' '));
}
