/** Starts floors, peers and the product, and says which rows each of them has. */

import type { Row } from './measure.ts';
import type { Prepared, Era } from './requests.ts';
import type { Ready } from './processes.ts';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, launch, launchReady, node, onCore, part, untilListening } from './processes.ts';
import { callOf, listOf, MODERN, openSession, sendOnce } from './requests.ts';

export const SMALL = 100;
export const LARGE = 100_000;

export interface Server {
  readonly ready: Ready;
  readonly pid: number;
}

async function startPart(core: 0 | 1, ...args: string[]): Promise<Server> {
  const { child, ready } = await launchReady(onCore(core, ...node(...args)));
  return { ready, pid: ready.pid ?? child.pid ?? 0 };
}

/** A part that runs on whichever core is free. */
export async function startUnpinned(...args: string[]): Promise<Server> {
  const { child, ready } = await launchReady(node(...args));
  return { ready, pid: ready.pid ?? child.pid ?? 0 };
}

/** The stdio child behind every hop, on the core that the load generator uses. */
export const stdioChild = (): [string, ...string[]] => onCore(1, ...node(part('stdio-child.mjs')));

function row(server: Server, id: string, title: string, requests: readonly Prepared[], minBytes: number): Row {
  return { id, title, port: Number(new URL(server.ready.url).port), pid: server.pid, requests, minBytes };
}

export interface CallRows {
  readonly id: string;
  readonly title: string;
  readonly tool?: string;
  readonly sizes?: readonly number[];
  readonly era?: Era;
}

/** One row per payload size; each row is proven by one call before it is measured. */
export async function callRows(
  from: Server,
  { id, title, tool = 'echo', sizes = [SMALL, LARGE], era = MODERN }: CallRows,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of sizes) {
    const request = callOf(from.ready, tool, size, era);
    const { result } = await sendOnce(from.ready, request);
    const [first] = result['content'] as { text?: string }[];
    if (first?.text?.length !== size)
      throw new Error(`${title} does not echo: ${JSON.stringify(result).slice(0, 300)}`);
    const label = size === SMALL ? '100 B' : '100 kB';
    rows.push(row(from, `${id}/${size === SMALL ? 'small' : 'large'}`, `${title}, ${label}`, [request], size));
  }
  return rows;
}

export async function floors(): Promise<Row[]> {
  const echo = await startPart(0, part('echo.mjs'));
  const upstream = await startPart(1, part('echo.mjs'));
  const hopStdio = await startPart(0, part('hop-stdio.mjs'), ...stdioChild());
  const hopHttp = await startPart(0, part('hop-http.mjs'), upstream.ready.url);
  return [
    ...(await callRows(echo, { id: 'echo', title: 'floor: bare echo' })),
    ...(await callRows(hopStdio, { id: 'hop-stdio', title: 'floor: bare hop over stdio' })),
    ...(await callRows(hopHttp, { id: 'hop-http', title: 'floor: bare hop over HTTP' })),
  ];
}

/** The SDK's server needs no installation; the proxies come from `modules`. */
export async function peers(modules: string | undefined): Promise<Row[]> {
  const sizes = [SMALL];
  const rows = await callRows(await startPart(0, part('sdk-server.mjs')), {
    id: 'sdk',
    title: 'peer: SDK v2 server',
    sizes,
  });
  if (modules === undefined) return rows;
  const child = stdioChild();
  const proxyPort = await freePort();
  const proxy = ['--host', '127.0.0.1', '--port', String(proxyPort), '--server', 'stream', '--', ...child];
  const mcpProxy = await program(proxyPort, join(modules, 'mcp-proxy/dist/bin/mcp-proxy.mjs'), ...proxy);
  rows.push(...(await callRows(mcpProxy, { id: 'mcp-proxy', title: 'peer: mcp-proxy 6.7.19 over stdio' })));
  const superPort = await freePort();
  const superArgs = [
    '--stdio',
    child.join(' '),
    '--outputTransport',
    'streamableHttp',
    '--stateful',
    '--port',
    String(superPort),
    '--logLevel',
    'none',
  ];
  const supergateway = await program(
    superPort,
    '--import',
    part('loopback.mjs'),
    join(modules, 'supergateway/dist/index.js'),
    ...superArgs,
  );
  const era = await openSession(supergateway.ready);
  rows.push(
    ...(await callRows(supergateway, {
      id: 'supergateway',
      title: 'peer: supergateway 4.0.0 stateful over stdio',
      sizes,
      era,
    })),
  );
  return rows;
}

/** A program that prints no ready line. */
async function program(port: number, ...args: string[]): Promise<Server> {
  const child = launch(onCore(0, ...node(...args)));
  child.stdout?.resume();
  child.stderr?.resume();
  await untilListening(port);
  return { ready: { url: `http://127.0.0.1:${port}/mcp` }, pid: child.pid ?? 0 };
}

export interface ProductPlan {
  readonly sets?: readonly { readonly targets: number; readonly tools: number }[];
  readonly mcpServers?: Readonly<Record<string, unknown>>;
}

export const product = (plan: ProductPlan): Promise<Server> => startPart(0, part('product.mjs'), JSON.stringify(plan));

/**
 * One process for each kind of target, as each floor has one; the last serves all three, one after the other, so that
 * what they cost each other is seen.
 */
export async function productCalls(): Promise<Row[]> {
  const upstream = await startPart(1, part('echo.mjs'));
  const [command, ...args] = stdioChild();
  const sets = [{ targets: 1, tools: 1 }];
  const child = { command, args, cwd: tmpdir() };
  const remote = { url: upstream.ready.url };
  const inProcess = { id: 'product', title: 'zeroplane, in-process target', tool: 'bench___echo' };
  const stdio = { id: 'product-stdio', title: 'zeroplane, stdio target', tool: 'child___echo' };
  const http = { id: 'product-http', title: 'zeroplane, HTTP target', tool: 'upstream___echo' };
  const rows = [
    ...(await callRows(await product({ sets }), inProcess)),
    ...(await callRows(await product({ mcpServers: { child } }), stdio)),
    ...(await callRows(await product({ mcpServers: { upstream: remote } }), http)),
  ];
  const all = await product({ sets, mcpServers: { child, upstream: remote } });
  for (const { id, title, tool } of [inProcess, stdio, http])
    rows.push(...(await callRows(all, { id: `mixed/${id}`, title: `${title} of three`, tool, sizes: [SMALL] })));
  return rows;
}

interface Page {
  readonly cursor: string | undefined;
  readonly text: string;
}

async function pages(from: Server): Promise<Page[]> {
  const found: Page[] = [];
  let cursor: string | undefined;
  do {
    const { result } = await sendOnce(from.ready, listOf(from.ready, cursor));
    found.push({ cursor, text: JSON.stringify(result) });
    cursor = result['nextCursor'] as string | undefined;
  } while (cursor !== undefined && found.length < 100);
  return found;
}

function countTools(found: readonly Page[]): number {
  return found.reduce((sum, page) => sum + (JSON.parse(page.text) as { tools: unknown[] }).tools.length, 0);
}

/** A list of the product, and a server that sends the same bytes ready-made. */
export async function productList(targets: number, tools: number): Promise<Row[]> {
  const gateway = await product({ sets: [{ targets, tools }] });
  const found = await pages(gateway);
  const total = targets * tools;
  if (countTools(found) !== total)
    throw new Error(`tools/list gave ${countTools(found)} tools in ${found.length} pages, expected ${total}`);
  const file = join(mkdtempSync(join(tmpdir(), 'zeroplane-bench-')), 'results.jsonl');
  writeFileSync(file, found.map((page) => `${page.text}\n`).join(''));
  const bytes = await startPart(0, part('ready-bytes.mjs'), file);
  const smallest = Math.min(...found.map((page) => page.text.length)) * 0.95;
  const title = `${total.toLocaleString('en')} tools of ${targets.toLocaleString('en')} targets`;
  const own = found.map((page) => listOf(gateway.ready, page.cursor));
  const ready = found.map((_page, index) => listOf(bytes.ready, String(index)));
  return [
    row(gateway, `product-list/${total}`, `zeroplane, tools/list of ${title}`, own, smallest),
    row(bytes, `bytes/${total}`, `floor: the same bytes, ${title}`, ready, smallest),
  ];
}
