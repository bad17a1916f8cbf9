/** `connect`: our endpoint in the configuration of MCP clients. */

import { detectGlobalAgents, detectProjectAgents } from 'add-mcp';
import { clientFile, clientNamed, homePath, supportedClients } from '../client-files.ts';
import { TOKEN_VARIABLE } from '../token-names.ts';
import type { Client, Scope } from '../client-files.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { connectToInstance, runningInstance } from '../instance.ts';
import type { Style, TableCell } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';
import { planEntry, printEntry, writeEntry } from '../write-client.ts';
import type { EntryPlan, WrittenEntry } from '../write-client.ts';
import { listTools } from './tools.ts';

export async function* connect(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  if (invocation.words.length === 0) {
    yield await clientList(context);
    return undefined;
  }
  const clients = [...new Set(invocation.words)].map(clientNamed);
  const { url, token } = await runningInstance(invocation, context);
  const request = {
    scope: invocation.isSet('global') ? ('global' as const) : ('project' as const),
    cwd: context.cwd,
    name: invocation.text('name') ?? 'zeroplane',
    mcp: `${url}/mcp`,
    token,
  };
  const plans = clients.map((client) => planEntry(client, request));
  if (invocation.isSet('print')) {
    yield await printed(plans);
    return undefined;
  }
  const tools = await listTools(await connectToInstance(invocation, context));
  const written: WrittenEntry[] = [];
  for (const plan of plans) written.push(await writeEntry(plan));
  yield result({ tools: tools.length, written }, (style) => writtenText(plans, written, tools.length, style));
  return undefined;
}

async function printed(plans: readonly EntryPlan[]): Promise<CliEvent> {
  const parts: { client: string; path: string; text: string }[] = [];
  for (const plan of plans) parts.push({ client: plan.client.name, path: plan.path, text: await printEntry(plan) });
  return result(parts, (style) => parts.map((part) => `${style.dim(homePath(part.path))}\n${part.text}`).join('\n\n'));
}

interface ListedClient {
  readonly name: string;
  readonly title: string;
  readonly scopes: readonly Scope[];
  readonly isFound: boolean;
}

async function clientList(context: CliContext): Promise<CliEvent> {
  const found = new Set<string>([...detectProjectAgents(context.cwd), ...(await detectGlobalAgents())]);
  const clients = supportedClients().map((client): ListedClient => ({
    name: client.name,
    title: client.displayName,
    scopes: clientFile(client, 'project', context.cwd) === undefined ? ['global'] : ['project', 'global'],
    isFound: found.has(client.name),
  }));
  const ordered = clients.toSorted((one, other) => Number(other.isFound) - Number(one.isFound));
  return result(ordered, (style) => clientTable(ordered, style));
}

function clientTable(clients: readonly ListedClient[], style: Style): string {
  const rows = clients.map((client): (TableCell | string)[] => [
    { text: client.name, paint: style.bold },
    client.title,
    client.scopes.includes('project') ? 'project or --global' : '--global only',
    { text: client.isFound ? 'found here' : '', paint: style.good },
  ]);
  return `${table(rows)}\n\n  Next: zeroplane connect NAME`;
}

function writtenText(
  plans: readonly EntryPlan[],
  written: readonly WrittenEntry[],
  tools: number,
  style: Style,
): string {
  const lines = written.map((entry) => {
    const aside = entry.backup === undefined ? '' : `   the old file is ${homePath(entry.backup)}`;
    return `  ${style.good(entry.state)}  ${oneLine(homePath(entry.path), 200)}${aside}`;
  });
  for (const plan of plans) lines.push(...hints(plan, style));
  const names = plans.map((plan) => plan.client.displayName).join(', ');
  lines.push(
    '',
    `  The endpoint answers with ${plural(tools, 'tool')}. Restart ${names}, then ask for a list of the tools.`,
  );
  return lines.join('\n');
}

function hints({ client, form, path }: EntryPlan, style: Style): string[] {
  if (form.kind === 'none') return [];
  if (form.kind === 'literal') {
    const warning = `${client.displayName} knows no reference to a variable here, so ${homePath(path)} holds the token. It is now readable for you alone; do not commit it.`;
    return [`  ${style.warn('note')}  ${warning}`];
  }
  if (client.name === 'vscode') return ['  VS Code asks for the token once: zeroplane token'];
  return [
    `  Before starting ${client.displayName}:  export ${TOKEN_VARIABLE}=$(zeroplane token)`,
    ...commentNote(client, style),
  ];
}

/** TOML is written anew. */
function commentNote(client: Client, style: Style): string[] {
  return client.format === 'toml'
    ? [`  ${style.warn('note')}  Comments in ${client.displayName}'s file are only in the old copy.`]
    : [];
}
