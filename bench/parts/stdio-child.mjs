/** The warm stdio child behind every stdio hop: a server of 2025-11-25 with one tool, `echo`. */

const TOOL = { name: 'echo', inputSchema: { type: 'object', properties: { text: { type: 'string' } } } };

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'echo', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: [TOOL] }),
  'tools/call': ({ arguments: args }) => ({ content: [{ type: 'text', text: args.text }] }),
};

function answer(line) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return '';
  const result = methods[method]?.(params ?? {});
  const body = result === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result };
  return `${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n`;
}

let rest = [];
process.stdin.on('data', (chunk) => {
  const end = chunk.lastIndexOf(10);
  if (end < 0) {
    rest.push(chunk);
    return;
  }
  const text = Buffer.concat([...rest, chunk.subarray(0, end)]).toString();
  rest = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
  let out = '';
  for (const line of text.split('\n')) if (line !== '') out += answer(line);
  if (out !== '') process.stdout.write(out);
});
process.stdin.on('end', () => process.exit(0));
