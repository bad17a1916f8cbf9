/** The built gateway as a process of its own, judged from outside: started, asked, hurt and ended by fault tests. */

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export type Json = Record<string, unknown>;

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Another build may be judged than the one of this checkout. */
const MAIN = process.env['ZEROPLANE_FAULT_MAIN'] ?? path.join(root, 'dist/cli/main.js');
export const EVIL = path.join(root, 'tests/fixtures/evil-server.mjs');
/** Rounds of repeated faults; a nightly run asks for more. */
export const RUNS = Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 20);

/** Configuration of the server that misbehaves on request. */
export const evil = (env: Record<string, string> = {}, more: Json = {}): Json => ({
  command: process.execPath,
  args: [EVIL],
  env,
  ...more,
});

export interface StartHow {
  /** Words in front of `node`, such as `prlimit -n64`. */
  readonly wrap?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly dataDir?: string;
  /** A folder of an earlier start, which this one does not remove. */
  readonly folder?: string;
  readonly auth?: 'token' | 'none';
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly ms: number;
  /** The body as JSON: the last event of a stream; undefined when it is neither. */
  readonly json: Json | undefined;
}

const open = new Set<Gateway>();
const folders = new Set<string>();

/** Ends what a test has left; for `afterEach`. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...open].map((gateway) => gateway.kill()));
  open.clear();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

export function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'zeroplane-fault-'));
  folders.add(folder);
  return folder;
}

/** Starts the gateway and waits for its ready line. @throws with its output when it ends before. */
export async function startGateway(config: Json, how: StartHow = {}): Promise<Gateway> {
  const gateway = new Gateway(config, how);
  open.add(gateway);
  await gateway.ready;
  return gateway;
}

/** Starts a gateway that is expected to refuse. @returns how it ended and what it said. */
export async function startRefused(config: Json, how: StartHow = {}): Promise<Ended & { output: string }> {
  const gateway = new Gateway(config, how);
  open.add(gateway);
  gateway.ready.catch(() => undefined);
  const ended = await Promise.race([gateway.ended, delay(20_000)]);
  if (ended === undefined) throw new Error(`it did not end\n${gateway.output}`);
  return { ...ended, output: gateway.output };
}

export class Gateway {
  readonly folder: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly ended: Promise<Ended>;
  readonly agent = new Agent({ keepAlive: true, maxSockets: 512 });
  output = '';
  url = '';
  token = '';
  pid = 0;
  startedInMs = 0;
  #next = 0;

  constructor(config: Json, how: StartHow) {
    this.folder = how.folder ?? makeFolder();
    this.dataDir = how.dataDir ?? path.join(this.folder, 'data');
    this.configFile = path.join(this.folder, 'zeroplane.json');
    this.configure(config);
    const auth = how.auth ?? 'none';
    const words = ['dev', ...(auth === 'none' ? ['--auth', 'none'] : []), '--port', '0', '--config', this.configFile];
    const output = ['--data-dir', this.dataDir, '--no-open', '--output', 'stream-json', ...(how.args ?? [])];
    const [command = '', ...args] = [
      ...(how.wrap ?? []),
      process.execPath,
      ...(how.nodeArgs ?? []),
      MAIN,
      ...words,
      ...output,
    ];
    const began = performance.now();
    this.child = spawn(command, args, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...how.env },
    });
    this.ended = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve({ code, signal })));
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk));
    this.ready = this.#ready(began);
  }

  /** Writes the configuration, as an editor does: in place. */
  configure(config: Json | string): void {
    writeFileSync(this.configFile, typeof config === 'string' ? config : JSON.stringify(config, undefined, 2));
  }

  async #ready(began: number): Promise<void> {
    let over: Ended | undefined;
    void this.ended.then((ended) => (over = ended));
    for (;;) {
      const line = this.output.split('\n').find((each) => each.startsWith('{"type":"ready"') && each.endsWith('}'));
      if (line !== undefined) {
        const { url, token, pid } = JSON.parse(line) as { url: string; token: string; pid: number };
        Object.assign(this, { url, token, pid, startedInMs: performance.now() - began });
        return;
      }
      if (over !== undefined) throw new Error(`it ended before it was ready: ${JSON.stringify(over)}\n${this.output}`);
      if (performance.now() - began > 30_000) throw new Error(`no ready line within 30 s\n${this.output}`);
      await delay(10);
    }
  }

  /** One HTTP exchange; every failure of the connection is an answer with status 0. */
  send(method: string, where: string, how: { body?: string; headers?: Json; agent?: Agent } = {}): Promise<Answer> {
    const { body, headers, agent = this.agent } = how;
    const began = performance.now();
    const authorization = this.token === '' ? {} : { authorization: `Bearer ${this.token}` };
    const all = { accept: 'application/json, text/event-stream', ...authorization, ...headers } as Record<
      string,
      string
    >;
    if (body !== undefined) all['content-type'] = 'application/json';
    return new Promise((resolve) => {
      const done = (status: number, text: string, of: IncomingMessage['headers'] = {}): void =>
        resolve({ status, headers: of, text, ms: performance.now() - began, json: parsed(text) });
      const outgoing = request(`${this.url}${where}`, { method, headers: all, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => done(0, error.message));
        response.on('end', () =>
          done(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'), response.headers),
        );
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => done(0, error.code ?? error.message));
      outgoing.end(body);
    });
  }

  /** One JSON-RPC request of 2025-11-25 without a session. */
  rpc(method: string, params: Json = {}, how: { headers?: Json; agent?: Agent } = {}): Promise<Answer> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++this.#next, method, params });
    const headers = { 'mcp-protocol-version': '2025-11-25', ...how.headers };
    return this.send('POST', '/mcp', { body, headers, ...(how.agent === undefined ? {} : { agent: how.agent }) });
  }

  call(name: string, args: Json = {}): Promise<Answer> {
    return this.rpc('tools/call', { name, arguments: args });
  }

  /** The text of a tool's answer. @throws when it is no plain success. */
  async text(name: string, args: Json = {}): Promise<string> {
    const answer = await this.call(name, args);
    const result = answer.json?.['result'] as { content?: { text?: string }[]; isError?: boolean } | undefined;
    const text = result?.content?.[0]?.text;
    if (text === undefined || result?.isError === true)
      throw new Error(`${name} answered ${answer.status} ${answer.text.slice(0, 500)}`);
    return text;
  }

  async tools(): Promise<string[]> {
    const { json } = await this.rpc('tools/list');
    return ((json?.['result'] as { tools: { name: string }[] } | undefined)?.tools ?? []).map((tool) => tool.name);
  }

  async status(): Promise<Json> {
    return (await this.send('GET', '/v1/instance')).json ?? {};
  }

  async target(id: string): Promise<Json> {
    const targets = ((await this.status())['targets'] ?? []) as Json[];
    return targets.find((target) => target['id'] === id) ?? {};
  }

  register(name: string, more: Json = {}): Promise<Answer> {
    return this.send('POST', '/register', { body: JSON.stringify({ ...registration(name), ...more }) });
  }

  /** Megabytes of resident memory. */
  rssMb(): number {
    const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? [];
    return Number(kib) / 1024;
  }

  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  async kill(): Promise<void> {
    this.agent.destroy();
    if (this.pid !== 0 && existsSync(`/proc/${this.pid}`)) {
      try {
        process.kill(this.pid, 'SIGCONT');
        process.kill(this.pid, 'SIGTERM');
      } catch {
        // It has just ended.
      }
    } else this.child.kill('SIGTERM');
    const ended = await Promise.race([this.ended, delay(12_000)]);
    if (ended === undefined) this.child.kill('SIGKILL');
  }
}

export const registration = (name: string): Json => ({
  type: 'tool',
  name,
  description: `Tool ${name}`,
  lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:nobody',
  parameters: { text: 'string' },
});

function parsed(text: string): Json | undefined {
  const data = /^(?:event|id|data|:)/m.test(text.slice(0, 8))
    ? text
        .split('\n')
        .filter((line) => line.startsWith('data: {'))
        .at(-1)
        ?.slice('data: '.length)
    : text;
  try {
    return data === undefined ? undefined : (JSON.parse(data) as Json);
  } catch {
    return undefined;
  }
}

export async function until(what: string, timeoutMs: number, check: () => boolean | Promise<boolean>): Promise<number> {
  const began = performance.now();
  while (!(await check())) {
    if (performance.now() - began > timeoutMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(25);
  }
  return performance.now() - began;
}

/** Processes that carry a mark in their environment, other than this one's own. */
export function processesWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        const isZombie = /^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'));
        return !isZombie && readFileSync(`/proc/${name}/environ`, 'utf8').includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The variables a process was started with; empty for one that has ended. */
export function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

/** Direct children that are Node programs. */
export function nodeChildren(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const [, parent] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8')) ?? [];
        return Number(parent) === pid && readlinkSync(`/proc/${name}/exe`).endsWith('node');
      } catch {
        return false;
      }
    })
    .map(Number);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Starts work at a steady rate, whether earlier work has ended or not. @returns all results. */
export async function atRate<Result>(
  perSecond: number,
  seconds: number,
  work: (n: number) => Promise<Result>,
): Promise<Result[]> {
  const began = performance.now();
  const running: Promise<Result>[] = [];
  for (let n = 0; n < perSecond * seconds; n++) {
    const dueMs = began + (n * 1000) / perSecond;
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await delay(waitMs);
    running.push(work(n));
  }
  return Promise.all(running);
}

/** Prints a figure that was seen, for the report of a run. */
export function seen(id: string, figures: Json): void {
  console.log(`seen ${id} ${JSON.stringify(figures)}`);
}
