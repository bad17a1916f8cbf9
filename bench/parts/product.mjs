/**
 * The built product in a process of its own, through `zeroplane/testing`. argv[2] is a JSON document:
 * `{sets: [{targets, tools}], mcpServers}`; each set gives that many in-process targets with that many tools.
 */

import { startGateway } from 'zeroplane/testing';

const { sets = [], mcpServers = {} } = JSON.parse(process.argv[2]);

const DESCRIPTION = 'Answers with the text it was given. '.repeat(8).trim();

function define(name) {
  const properties = {
    text: { type: 'string', description: 'What to answer' },
    times: { type: 'integer', minimum: 1 },
  };
  const value = { name, description: DESCRIPTION, inputSchema: { type: 'object', properties, required: ['text'] } };
  return { kind: 'tool', key: name, text: JSON.stringify(value), value };
}

/** A target written here: it answers `echo` from memory. */
function makeTarget(id, count) {
  const definitions = Array.from({ length: count }, (_none, index) => define(index === 0 ? 'echo' : `echo${index}`));
  return {
    id,
    kind: 'in-process',
    label: 'embedded',
    list: async () => ({ definitions, capabilities: { tools: {} }, ttlMs: 60_000, cacheScope: 'public' }),
    call: async ({ parsed }) => {
      const content = [{ type: 'text', text: parsed.arguments.text }];
      return { text: JSON.stringify({ resultType: 'complete', content }) };
    },
    onChange: () => () => undefined,
    status: () => ({ state: 'ready' }),
    close: async () => undefined,
  };
}

let number = 0;
const targets = sets.flatMap((set) =>
  Array.from({ length: set.targets }, () => makeTarget(`bench${number++ || ''}`, set.tools)),
);
const gateway = await startGateway({ targets, config: { mcpServers } });
process.stdout.write(`${JSON.stringify({ type: 'ready', url: gateway.mcp, token: gateway.token })}\n`);
process.on('SIGTERM', () => void gateway.close().finally(() => process.exit(0)));
