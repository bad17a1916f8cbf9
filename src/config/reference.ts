/** The two files made from the schema: `schema/config.json` and `docs/reference/config.md`. */

import type { JsonSchema } from './json-schema.ts';
import { toJsonSchema } from './json-schema.ts';
import { configSchema } from './schema.ts';

/** The JSON Schema file that editors use, ending in a line feed. */
export function schemaFile(): string {
  const schema = { ...toJsonSchema(configSchema), title: 'Zeroplane configuration' };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

interface Row {
  readonly key: string;
  readonly type: string;
  readonly fallback: string;
  readonly description: string;
}

/** The reference page. */
export function referencePage(): string {
  const schema = toJsonSchema(configSchema);
  const [stdio, remote, lambdaServer] =
    schema.properties?.['mcpServers'] === undefined ? [] : variantsOf(schema.properties['mcpServers']);
  const lambda = recordOf(schema.properties?.['functions']);
  const issuer = schema.properties?.['auth']?.properties?.['issuers']?.items;
  const parts = [
    HEAD,
    table(rowsOf(schema, '')),
    `## A server that is started: \`mcpServers.<id>\` with \`command\`\n\n${table(rowsOf(stdio, ''))}`,
    `## A server that is reached over HTTP: \`mcpServers.<id>\` with \`url\`\n\n${table(rowsOf(remote, ''))}`,
    `## A server that is a function: \`mcpServers.<id>\` with \`function\`\n\n${table(rowsOf(lambdaServer, ''))}`,
    `## A function: \`functions.<name>\`\n\n${table(rowsOf(lambda, ''))}`,
    `## An issuer of tokens: \`auth.issuers[]\`\n\n${table(rowsOf(issuer, ''))}`,
    TAIL,
  ];
  return `${parts.join('\n\n')}\n`;
}

function recordOf(schema: JsonSchema | undefined): JsonSchema | undefined {
  return typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

function variantsOf(schema: JsonSchema): readonly JsonSchema[] {
  return recordOf(schema)?.anyOf ?? [];
}

/** Nested mappings are written out; a mapping of free names is one row. */
function rowsOf(schema: JsonSchema | undefined, prefix: string): Row[] {
  const rows: Row[] = [];
  for (const [key, member] of Object.entries(schema?.properties ?? {})) {
    const isRequired = schema?.required?.includes(key) ?? false;
    if (member.properties !== undefined) rows.push(...rowsOf(member, `${prefix}${key}.`));
    else
      rows.push({
        key: prefix + key,
        type: typeOf(member),
        fallback: fallbackOf(member, isRequired),
        description: member.description ?? '',
      });
  }
  return rows;
}

function typeOf(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  if (schema.type === 'object') return 'mapping';
  if (schema.type === 'integer') return `whole number${rangeOf(schema)}`;
  return schema.type === 'string' ? 'text' : (schema.type ?? 'any');
}

function rangeOf({ minimum, maximum }: JsonSchema): string {
  const isOpen = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
  if (minimum === undefined) return '';
  return isOpen ? `, at least ${minimum}` : `, ${minimum} to ${maximum}`;
}

function fallbackOf(schema: JsonSchema, isRequired: boolean): string {
  if (isRequired) return 'required';
  return schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ key, type, fallback, description }) =>
      `| \`${key}\` | ${cell(type)} | ${cell(fallback)} | ${cell(description)} |`,
  );
  return ['| Key | Value | Default | Meaning |', '|---|---|---|---|', ...lines].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const HEAD = `# Configuration

<!-- Made from the schema by \`node --import tsx scripts/config-schema.mjs\`. Do not edit. -->

\`zeroplane dev\` reads the first of these that it finds in its folder: the file that \`--config\` names,
\`zeroplane.yaml\`, \`zeroplane.yml\`, \`zeroplane.jsonc\`, \`zeroplane.json\`, and then \`.mcp.json\` alone.

\`\`\`yaml
# yaml-language-server: $schema=./node_modules/zeroplane/schema/config.json
name: team-x
mcpServers:
  docs:
    command: npx
    args: [-y, "@modelcontextprotocol/server-everything"]
  linear:
    url: https://mcp.linear.app/mcp
    headers: { Authorization: "Bearer \${env:LINEAR_TOKEN}" }
functions:
  hello: { handler: index.handler, code: ./functions/hello }
\`\`\`

A key that is not in these tables is an error, and the message names the one that was probably meant. All
problems of a file are listed in one go, each with its line and column. While \`zeroplane dev\` runs, a change of
the file takes effect when it is valid; otherwise the old configuration stays and the problems are shown.
\`host\`, \`port\` and \`auth\` take effect at the next start.

## The file`;

const TAIL = `## References in values

| Written | Becomes |
|---|---|
| \`\${env:NAME}\` | the environment variable; it must be set |
| \`\${env:NAME:-text}\` | the variable, or \`text\` when it is not set or empty |
| \`\${secret:NAME}\` | the secret; it must be known |
| \`\${input:NAME}\` | the same as \`\${secret:NAME}\`, in the words of VS Code |
| \`$\${\` | the two characters \`\${\` |

References stand in values, never in keys. Under \`mcpServers\` and in the files of other clients \`\${NAME}\` and
\`\${NAME:-text}\` name a variable too. A number or a switch may be a single reference, \`port: \${env:PORT}\`.
References of a server or function that is \`disabled\` are not looked up.

A secret is looked for in the variable \`ZEROPLANE_SECRET_NAME\` (upper case, other characters \`_\`), then in the
file \`secrets/NAME\` of the data folder, then in the JSON object of the file that \`ZEROPLANE_SECRETS_FILE\`
names. Both files must be readable by their owner alone (\`chmod 600\`). Resolved secrets are masked in logs.

## Names of servers

A server's tools are published as \`id___tool\`. A key that is no legal id is changed: letters become lower case,
other characters \`-\`, it is cut to 40 characters, and \`-2\` is added where two meet. \`registry\`, \`cloud\`,
\`agent\`, \`workflows\` and \`admin\` are taken. What was changed is said at start.

## Files of other clients

\`--config\` takes them as they are, and \`zeroplane import\` brings their servers into your own file. Fields that
mean nothing here are named at start and otherwise left alone.

| Client | Key of the servers | Read as |
|---|---|---|
| Claude Code, Claude Desktop, Cursor, Windsurf, Gemini CLI, Kiro | \`mcpServers\` | JSON with comments and trailing commas |
| VS Code | \`servers\`, \`inputs\`; in its settings \`mcp.servers\` | an input is a secret of the same name |
| Zed | \`context_servers\` | servers that an extension brings are left out |
| OpenCode | \`mcp\` | \`type\` \`local\` or \`remote\`, \`{env:NAME}\` |
| Codex | \`[mcp_servers.NAME]\` | TOML, \`http_headers\`, \`bearer_token_env_var\` |

Paths in a file that a client keeps in a folder of its own (\`.vscode\`, \`.cursor\`, \`.zed\`, \`.codex\`, …) start at the
folder above it.`;
