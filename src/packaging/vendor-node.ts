/**
 * A Node server with everything it needs, in a folder of its own. A package that is installed here already is copied
 * with its dependencies, as `npx` would run it; another one is installed at its exact version, without its scripts.
 */

import { cp, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { NodeFile, NodePackage } from './plan.ts';
import { runProgram } from './run-program.ts';

/** How the server is started inside of the artifact: paths are relative to its folder. */
export interface Vendored {
  readonly runtime: 'node' | 'python';
  readonly command: string;
  readonly args: readonly string[];
  /** Name and version of what was put in. */
  readonly packages: readonly string[];
}

export interface VendorOptions {
  /** Where the user stands: relative files and installed packages are looked for from here. */
  readonly cwd: string;
  /** The artifact's folder; empty. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: unknown;
  readonly dependencies: readonly string[];
  /** May be absent. */
  readonly optional: readonly string[];
}

export async function vendorNodePackage(plan: NodePackage, options: VendorOptions): Promise<Vendored> {
  const { name, version } = splitSpec(plan.spec);
  const installed = findPackage(name, options.cwd);
  const isHere =
    installed !== undefined && (version === undefined || (await readManifest(installed)).version === version);
  const home = isHere ? await copyInstalled(installed, options.folder) : await install(plan.spec, name, options);
  const manifest = await readManifest(home);
  const program = binOf(manifest, plan.bin);
  const entry = relative(options.folder, join(home, program)).replaceAll(sep, '/');
  return {
    runtime: 'node',
    command: 'node',
    args: [entry, ...plan.args],
    packages: [`${manifest.name}@${manifest.version}`],
  };
}

export async function vendorNodeFile(plan: NodeFile, options: VendorOptions): Promise<Vendored> {
  const file = resolve(options.cwd, plan.file);
  if (!existsSync(file))
    throw new PlatformError('NOT_FOUND', `The file ${plan.file} does not exist in ${options.cwd}.`);
  const real = await realpath(file);
  const home = packageFolder(dirname(real));
  const inModules = home !== undefined && home.split(sep).includes('node_modules');
  const root = home ?? dirname(real);
  const target = inModules ? await copyInstalled(root, options.folder) : await copyProject(root, options.folder);
  const entry = relative(options.folder, join(target, relative(root, real))).replaceAll(sep, '/');
  const packages =
    home === undefined ? [] : [await readManifest(home).then((found) => `${found.name}@${found.version}`)];
  return { runtime: 'node', command: 'node', args: [...plan.flags, entry, ...plan.args], packages };
}

function splitSpec(spec: string): { name: string; version: string | undefined } {
  const match = /^(@[^/@]+\/[^@]+|[^@/]+)(?:@(.+))?$/.exec(spec);
  if (match === null)
    throw new PlatformError('USAGE', `"${spec}" is not a package of the registry. Name one, or use node with a file.`);
  const [, name = '', version] = match;
  return { name, version: version === 'latest' ? undefined : version };
}

/** The package as Node's resolution finds it from a folder. */
function findPackage(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

function packageFolder(from: string): string | undefined {
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder))
    if (existsSync(join(folder, 'package.json'))) return folder;
  return undefined;
}

async function readManifest(folder: string): Promise<Manifest> {
  const value: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const manifest = isObject(value) ? value : {};
  const names = (key: string): string[] => (isObject(manifest[key]) ? Object.keys(manifest[key]) : []);
  const optional = [...names('optionalDependencies'), ...names('peerDependencies')];
  return {
    name: typeof manifest['name'] === 'string' ? manifest['name'] : basename(folder),
    version: typeof manifest['version'] === 'string' ? manifest['version'] : '0.0.0',
    bin: manifest['bin'],
    dependencies: names('dependencies').filter((name) => !optional.includes(name)),
    optional,
  };
}

/** The file behind a package's program. @throws PlatformError `USAGE` when it is not clear which one is meant. */
function binOf({ name, bin }: Manifest, wanted: string | undefined): string {
  if (typeof bin === 'string') return bin;
  const programs = isObject(bin) ? new Map(Object.entries(bin)) : new Map<string, unknown>();
  const own = wanted ?? name.replace(/^@[^/]+\//, '');
  const file =
    programs.get(own) ?? (wanted === undefined && programs.size === 1 ? [...programs.values()][0] : undefined);
  if (typeof file === 'string') return file;
  const known = [...programs.keys()].join(', ');
  const next =
    known === ''
      ? 'It has no program; start a file of it with node.'
      : `Name one of ${known} with npx -p ${name} PROGRAM.`;
  throw new PlatformError('USAGE', `The package ${name} has no program "${own}". ${next}`);
}

/** Copies an installed package and all that it needs. @returns where the package is. */
async function copyInstalled(source: string, folder: string): Promise<string> {
  const root = await realpath(source);
  const { name } = await readManifest(root);
  const home = join(folder, 'node_modules', name);
  await copyPackage(root, home);
  await copyDependencies(root, home, folder);
  return home;
}

/**
 * Copies what a package needs to places where Node finds it again: a dependency goes to the top, and below the package
 * that needs it when the top has another version.
 */
async function copyDependencies(root: string, home: string, folder: string): Promise<void> {
  const placed = new Map<string, string>([[home, root]]);
  const queue: { from: string; to: string }[] = [{ from: root, to: home }];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
    for (const { name, from } of await dependenciesOf(item.from)) {
      const to = placeFor(name, from, { folder, parent: item.to, placed });
      if (to === undefined) continue;
      await copyPackage(from, to);
      queue.push({ from, to });
    }
  }
}

/** @throws PlatformError `NOT_FOUND` for one that is not installed and not optional. */
async function dependenciesOf(folder: string): Promise<{ name: string; from: string }[]> {
  const { dependencies, optional } = await readManifest(folder);
  const found: { name: string; from: string }[] = [];
  for (const name of [...dependencies, ...optional]) {
    const place = findPackage(name, folder);
    if (place !== undefined) found.push({ name, from: await realpath(place) });
    else if (!optional.includes(name)) {
      const next = 'Install it (npm install), or name the package with a version.';
      throw new PlatformError('NOT_FOUND', `${name}, which ${folder} needs, is not installed. ${next}`);
    }
  }
  return found;
}

/** Where a dependency goes; `undefined` when it is there already. */
function placeFor(
  name: string,
  from: string,
  at: { folder: string; parent: string; placed: Map<string, string> },
): string | undefined {
  for (let folder = at.parent; folder.length >= at.folder.length; folder = dirname(folder)) {
    const known = at.placed.get(join(folder, 'node_modules', name));
    if (known === from) return undefined;
    if (known !== undefined) break;
  }
  const top = join(at.folder, 'node_modules', name);
  const place = at.placed.has(top) ? join(at.parent, 'node_modules', name) : top;
  at.placed.set(place, from);
  return place;
}

/** A package's own files; what it has below `node_modules` is looked up like everything else. */
async function copyPackage(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const modules = join(from, 'node_modules');
  await cp(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => path !== modules && !path.startsWith(modules + sep),
  });
}

/**
 * A project of one's own with what it needs to run: no development packages. Hidden folders and `.env` files stay
 * behind: the first are tools' own, the second hold secrets by custom.
 */
async function copyProject(from: string, folder: string): Promise<string> {
  const to = join(folder, 'server');
  await cp(from, to, {
    recursive: true,
    dereference: true,
    filter: async (path) => {
      const name = basename(path);
      if (path === from) return true;
      if (name === 'node_modules' || /^\.env(?:\..*)?$/.test(name)) return false;
      return !name.startsWith('.') || !(await stat(path)).isDirectory();
    },
  });
  if (existsSync(join(from, 'package.json'))) await copyDependencies(from, to, folder);
  return to;
}

async function install(spec: string, name: string, options: VendorOptions): Promise<string> {
  const { folder, env, signal } = options;
  await writeFile(join(folder, 'package.json'), '{"private":true}\n');
  const flags = [
    '--omit=dev',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--save-exact',
    '--loglevel=error',
  ];
  await runProgram('npm', ['install', ...flags, '--prefix', folder, spec], {
    cwd: folder,
    env,
    missing: 'Install Node.js with npm.',
    signal,
  });
  return join(folder, 'node_modules', name);
}
