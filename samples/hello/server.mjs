/**
 * A small MCP server over stdio, without dependencies: one tool, one resource, one prompt. One JSON-RPC message a
 * line on stdin and stdout, protocol revisions up to 2025-11-25.
 */

const VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

const GREET = {
  name: 'greet',
  description: 'Greets somebody by name.',
  inputSchema: {
    type: 'object',
    properties: { name: { type: 'string', description: 'Whom to greet' } },
    required: ['name'],
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
};

const ABOUT = { uri: 'hello://about', name: 'about', description: 'What this sample is.', mimeType: 'text/plain' };

const INTRODUCE = {
  name: 'introduce',
  description: 'Asks for an introduction of two people.',
  arguments: [
    { name: 'first', description: 'One person', required: true },
    { name: 'second', description: 'The other person', required: true },
  ],
};

class RpcError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const text = (value) => ({ type: 'text', text: value });

function requireText(values, key) {
  const value = values?.[key];
  if (typeof value !== 'string') throw new RpcError(-32602, `The argument "${key}" is missing or no string.`);
  return value;
}

const METHODS = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion: VERSIONS.includes(protocolVersion) ? protocolVersion : VERSIONS[0],
    capabilities: { tools: {}, resources: {}, prompts: {} },
    serverInfo: { name: 'hello', version: '1.0.0' },
    instructions: 'A sample: call greet with a name.',
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: [GREET] }),
  'tools/call': ({ name, arguments: args }) => {
    if (name !== GREET.name) throw new RpcError(-32602, `Unknown tool: ${name}`);
    if (typeof args?.name !== 'string')
      return { content: [text('The argument "name" is missing or no string.')], isError: true };
    return { content: [text(`Hello, ${args.name}!`)] };
  },
  'resources/list': () => ({ resources: [ABOUT] }),
  'resources/templates/list': () => ({ resourceTemplates: [] }),
  'resources/read': ({ uri }) => {
    if (uri !== ABOUT.uri) throw new RpcError(-32002, `Resource not found: ${uri}`);
    return { contents: [{ uri, mimeType: ABOUT.mimeType, text: 'A sample server that comes with Zeroplane.' }] };
  },
  'prompts/list': () => ({ prompts: [INTRODUCE] }),
  'prompts/get': ({ name, arguments: args }) => {
    if (name !== INTRODUCE.name) throw new RpcError(-32602, `Unknown prompt: ${name}`);
    const request = `Introduce ${requireText(args, 'first')} and ${requireText(args, 'second')} to each other in two sentences.`;
    return { description: INTRODUCE.description, messages: [{ role: 'user', content: text(request) }] };
  },
};

function answer(message) {
  const { id, method, params } = message;
  try {
    if (!Object.hasOwn(METHODS, method)) throw new RpcError(-32601, `Method not found: ${method}`);
    return { jsonrpc: '2.0', id, result: METHODS[method](params ?? {}) };
  } catch (error) {
    return {
      jsonrpc: '2.0',
      id,
      error: { code: error instanceof RpcError ? error.code : -32603, message: error.message },
    };
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function take(line) {
  if (line.trim() === '') return undefined;
  const message = parse(line);
  if (message === undefined) return { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } };
  if (Array.isArray(message)) {
    const answers = message.map(takeOne).filter((each) => each !== undefined);
    return answers.length > 0 ? answers : undefined;
  }
  return takeOne(message);
}

/** Notifications and answers of the client have nothing to be answered. */
function takeOne(message) {
  if (typeof message !== 'object' || message === null) {
    return { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Invalid request' } };
  }
  return typeof message.method === 'string' && message.id !== undefined ? answer(message) : undefined;
}

// Messages end with a line feed and nothing else: newer versions of node:readline also end a line at U+2028, which
// JSON may hold.
let rest = '';
process.stdin.setEncoding('utf8');
for await (const chunk of process.stdin) {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    const reply = take(line);
    if (reply !== undefined) process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}
