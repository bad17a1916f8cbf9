/** From a command line to a function: package, handler, archive or image, template, and what was learned by starting it once. */

import { chmod, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Clock, Logger } from '../core/ports.ts';
import {
  DOCKERIGNORE,
  MANIFEST_FILE,
  WRAPPER_FILE,
  dockerfileText,
  handlerText,
  templateText,
} from './artifact-files.ts';
import type { HandlerSettings, Sizing } from './artifact-files.ts';
import { capture } from './capture.ts';
import type { Capture } from './capture.ts';
import { cleanSchema } from './clean-schema.ts';
import { nameOf, planOf } from './plan.ts';
import type { Plan } from './plan.ts';
import { sizingOf } from './sizing.ts';
import { vendorNodeFile, vendorNodePackage } from './vendor-node.ts';
import type { VendorOptions, Vendored } from './vendor-node.ts';
import { vendorPythonCode, vendorPythonPackage } from './vendor-python.ts';
import { zipFolder } from './zip.ts';
import type { ZipSummary } from './zip.ts';

export interface WrapRequest {
  /** The command as words. */
  readonly words: readonly string[];
  readonly name?: string | undefined;
  /** Folder to write; made by an earlier `wrap`, or absent. */
  readonly out: (name: string) => string;
  readonly cwd: string;
  /** What installers may know of the host: programs, caches, registries, proxies. */
  readonly installEnv: Readonly<Record<string, string>>;
  /** What the server may know of the host while it is tried out: enough to find programs. */
  readonly serverEnv: Readonly<Record<string, string>>;
  readonly settings: Omit<HandlerSettings, 'name'>;
  readonly layers: readonly string[];
  readonly memoryMb?: number | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** An image instead of an archive; always for Python without a layer that brings it. */
  readonly image: boolean;
  /** Also write the tools with schemas that strict gateways take. */
  readonly cleanSchemas: boolean;
  /** The wrapper as one file. */
  readonly bundle: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
  /** Tells of the steps. */
  readonly say: (message: string) => void;
}

export interface Wrapped {
  readonly name: string;
  /** The archive, or the folder of the image. */
  readonly artifact: string;
  /** What is in the archive, unpacked: the local runtime runs it from here. */
  readonly code: string;
  readonly era: Capture['era'];
  readonly tools: readonly Readonly<Record<string, unknown>>[];
  readonly packages: readonly string[];
  readonly sizing: Sizing;
  readonly startMs: number;
  readonly peakMib: number | undefined;
  readonly archive: ZipSummary | undefined;
  /** Changes that the cleaned schemas needed, by tool. */
  readonly cleaned: readonly string[];
}

/** Lambda's limits: an archive that is uploaded, and everything that it unpacks to. */
const MAX_ZIP = 50 * 1024 * 1024;
const MAX_UNPACKED = 250 * 1024 * 1024;
const START_TIMEOUT_MS = 60_000;

/** @throws PlatformError that names the command, file or package and the next step; nothing is left behind then. */
export async function wrap(request: WrapRequest): Promise<Wrapped> {
  const plan = planOf(request.words);
  const name = checkedName(request.name ?? nameOf(plan));
  const out = request.out(name);
  await checkReplaceable(out);
  const unfinished = join(dirname(out), `.${basename(out)}.${process.pid}.tmp`);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(join(unfinished, 'code'), { recursive: true });
  try {
    const made = await make(plan, { ...request, name, folder: unfinished });
    await rm(out, { recursive: true, force: true });
    await rename(unfinished, out);
    const inPlace = (path: string): string => join(out, path.slice(unfinished.length + 1));
    return { ...made, artifact: inPlace(made.artifact), code: inPlace(made.code) };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

type Making = WrapRequest & { readonly name: string; readonly folder: string };

async function make(plan: Plan, request: Making): Promise<Wrapped> {
  const { name, folder, say, cwd, installEnv, signal } = request;
  const code = join(folder, 'code');
  say('Putting the server and its packages into one folder');
  const vendored = await vendor(plan, { cwd, folder: code, env: installEnv, signal });
  await removeLinks(code);
  say(`Starting ${name} to read its tools`);
  const captured = await captureFrom(vendored, code, request);
  const sizing = sizingOf(captured, request);
  const tools = captured.listing.definitions.filter((each) => each.kind === 'tool').map((each) => each.value);
  const image = request.image || vendored.runtime === 'python';
  await writeCode(vendored, code, { ...request, captured, tools, image });
  const archive = image ? undefined : await pack(code, join(folder, `${name}.zip`), say);
  const cleaned = await writeAround({ ...request, sizing, tools, image });
  return {
    name,
    artifact: image ? code : join(folder, `${name}.zip`),
    code,
    era: captured.era,
    tools,
    packages: vendored.packages,
    sizing,
    startMs: captured.startMs,
    peakMib: captured.peakMib,
    archive,
    cleaned,
  };
}

function vendor(plan: Plan, options: VendorOptions): Promise<Vendored> {
  switch (plan.kind) {
    case 'node-package':
      return vendorNodePackage(plan, options);
    case 'node-file':
      return vendorNodeFile(plan, options);
    case 'python-package':
      return vendorPythonPackage(plan, options);
    case 'python-code':
      return vendorPythonCode(plan, options);
  }
}

function captureFrom(vendored: Vendored, code: string, request: Making): Promise<Capture> {
  const { name, serverEnv, settings, clock, log } = request;
  const python =
    vendored.runtime === 'python' ? { PYTHONPATH: join(code, 'python'), PYTHONDONTWRITEBYTECODE: '1' } : {};
  return capture({
    name,
    command: vendored.command === 'node' ? process.execPath : vendored.command,
    args: vendored.args,
    cwd: code,
    environment: { ...serverEnv, ...python, ...settings.env },
    clock,
    log,
    startTimeoutMs: START_TIMEOUT_MS,
  });
}

interface Writing extends Making {
  readonly captured: Capture;
  readonly tools: readonly Readonly<Record<string, unknown>>[];
  readonly image: boolean;
}

async function writeCode(vendored: Vendored, code: string, request: Writing): Promise<void> {
  const { name, settings, bundle, captured, tools, image } = request;
  await copyFile(bundle, join(code, WRAPPER_FILE));
  await chmod(join(code, WRAPPER_FILE), 0o644);
  await writeFile(join(code, 'index.mjs'), handlerText(vendored, { ...settings, name }));
  const manifest = {
    name,
    command: [vendored.command, ...vendored.args],
    packages: vendored.packages,
    era: captured.era,
    protocolVersion: captured.listing.protocolVersion,
    serverInfo: captured.listing.serverInfo,
    tools: tools.map((tool) => ({ name: tool['name'], digest: digestOf(tool) })),
  };
  await writeFile(join(code, MANIFEST_FILE), `${JSON.stringify(manifest, undefined, 2)}\n`);
  if (!image) return;
  await writeFile(join(code, 'Dockerfile'), dockerfileText(vendored));
  await writeFile(join(code, '.dockerignore'), DOCKERIGNORE);
}

function digestOf(tool: unknown): string {
  return createHash('sha256').update(JSON.stringify(tool)).digest('hex');
}

async function pack(code: string, target: string, say: (message: string) => void): Promise<ZipSummary> {
  say('Packing');
  const summary = await zipFolder(code, target);
  if (summary.unpacked > MAX_UNPACKED) {
    const what = `The function has ${mib(summary.unpacked)} MiB unpacked; Lambda takes 250 MiB of an archive.`;
    throw new PlatformError('PAYLOAD_TOO_LARGE', `${what} Make an image: zeroplane wrap … --image.`);
  }
  if (summary.bytes > MAX_ZIP)
    say(
      `The archive has ${mib(summary.bytes)} MiB: more than the 50 MiB of an upload, so it goes by way of S3 (SAM does that)`,
    );
  return summary;
}

const mib = (bytes: number): number => Math.ceil(bytes / (1024 * 1024));

/** Beside the code: template and tools. */
async function writeAround(
  request: Making & { sizing: Sizing; tools: readonly Readonly<Record<string, unknown>>[]; image: boolean },
): Promise<string[]> {
  const { folder, name, sizing, image, layers, settings, tools, cleanSchemas } = request;
  const archive = image ? undefined : `${name}.zip`;
  const template = templateText({ name, sizing, archive, layers, secrets: settings.secrets });
  await writeFile(image ? join(folder, 'code', 'template.yaml') : join(folder, 'template.yaml'), template);
  await writeFile(join(folder, 'tools.json'), `${JSON.stringify({ tools }, undefined, 2)}\n`);
  if (!cleanSchemas) return [];
  const changes: string[] = [];
  const cleaned = tools.map((tool) => cleanTool(tool, changes));
  await writeFile(join(folder, 'tools.clean.json'), `${JSON.stringify({ tools: cleaned }, undefined, 2)}\n`);
  return changes;
}

/** What gateways with a schema of their own take of a tool. */
function cleanTool(tool: Readonly<Record<string, unknown>>, changes: string[]): Record<string, unknown> {
  const { name, description } = tool;
  const out: Record<string, unknown> = { name, description: description ?? name };
  for (const key of ['inputSchema', 'outputSchema']) {
    const schema = tool[key];
    if (!isObject(schema)) continue;
    const cleaned = cleanSchema(schema);
    out[key] = cleaned.schema;
    changes.push(...cleaned.changes.map((change) => `${String(name)} ${key} ${change}`));
  }
  return out;
}

/** Links of `node_modules/.bin` start programs that nobody starts here, and an archive has none. */
async function removeLinks(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink() || (entry.isDirectory() && (entry.name === '.bin' || entry.name === '__pycache__')))
      await rm(path, { recursive: true, force: true });
    else if (entry.isDirectory()) await removeLinks(path);
    else if (entry.name === '.package-lock.json') await rm(path, { force: true });
  }
}

/** Names that are both a function's and a target's. */
function checkedName(name: string): string {
  if (/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) return name;
  const rule = 'Use up to 40 lower-case letters, digits and hyphens.';
  throw new PlatformError('USAGE', `"${name.slice(0, 80)}" cannot be the name of a function here. ${rule}`);
}

/** Only what an earlier run has made is replaced. */
async function checkReplaceable(out: string): Promise<void> {
  if (!existsSync(out) || existsSync(join(out, 'code', MANIFEST_FILE))) return;
  if ((await readdir(out).catch(() => ['?'])).length === 0) return;
  throw new PlatformError(
    'USAGE',
    `${out} exists and was not made by wrap. Name another folder with --out, or remove it.`,
  );
}
