/**
 * Servers that nobody here wrote, the hanging and failing ones included. `expect` is what the gateway must make
 * of each: the number of its tools, or `sick` when it never answers a list.
 */

import { join } from 'node:path';
import { install } from './lib.mjs';

const bin = (name, packages, program, args = []) => {
  const modules = install(name, packages);
  return { command: process.execPath, args: [join(modules, program), ...args] };
};

export const servers = {
  stripe: {
    why: 'initialize never ends without the network',
    expect: 'sick',
    make: () => bin('stripe', { '@stripe/mcp': '0.3.3' }, '@stripe/mcp/dist/index.js', ['--api-key=rk_test_0']),
  },
  supabase: {
    why: 'tools/list fails without the network',
    expect: 'sick',
    make: () =>
      bin('supabase', { '@supabase/mcp-server-supabase': '0.13.0' }, '.bin/mcp-server-supabase', [
        '--access-token',
        'sbp_0',
      ]),
  },
  postgres: {
    why: 'answers 2024-11-05; its resources fail without a database, its tool does not',
    expect: 1,
    make: () =>
      bin('postgres', { '@modelcontextprotocol/server-postgres': '0.6.2' }, '.bin/mcp-server-postgres', [
        'postgresql://127.0.0.1:1/none',
      ]),
  },
  playwright: {
    why: 'lists without a browser',
    expect: 25,
    make: () => bin('playwright', { '@playwright/mcp': '0.0.83' }, '.bin/playwright-mcp', ['--headless', '--isolated']),
  },
  notion: {
    why: 'a tool list of 76 kB',
    expect: 24,
    make: () => ({
      ...bin('notion', { '@notionhq/notion-mcp-server': '2.5.2' }, '.bin/notion-mcp-server'),
      env: { NOTION_TOKEN: 'ntn_0' },
    }),
  },
  mongodb: {
    why: 'starts in a second, 24 output schemas',
    expect: 27,
    make: () => bin('mongodb', { 'mongodb-mcp-server': '3.0.4' }, '.bin/mongodb-mcp-server'),
  },
  azure: {
    why: 'a native program with 61 tools',
    expect: 61,
    make: () => bin('azure', { '@azure/mcp': '2.0.5' }, '.bin/azmcp', ['server', 'start']),
  },
  sqlite: { skip: 'mcp-server-sqlite-npx compiles native code for two minutes when installed' },
};
