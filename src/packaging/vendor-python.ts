/**
 * A Python server with its packages in a folder of their own. They are installed here by pip, to try the server and to
 * read its tools; an image installs the same versions again for its own system, from the list that is left beside them.
 */

import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { PlatformError } from '../core/errors.ts';
import type { PythonCode, PythonPackage } from './plan.ts';
import { runProgram } from './run-program.ts';
import type { VendorOptions, Vendored } from './vendor-node.ts';

/** Where pip puts the packages, below the artifact's folder. */
const PYTHON_FOLDER = 'python';

const MISSING = 'Install Python 3 with pip.';

export async function vendorPythonPackage(plan: PythonPackage, options: VendorOptions): Promise<Vendored> {
  const { folder, env, signal } = options;
  const target = join(folder, PYTHON_FOLDER);
  const flags = ['--quiet', '--disable-pip-version-check', '--no-input', '--no-compile', '--target', target];
  await runProgram('python3', ['-m', 'pip', 'install', ...flags, plan.spec], {
    cwd: folder,
    env,
    missing: MISSING,
    signal,
  });
  const packages = await installedPackages(target);
  await writeFile(join(folder, 'requirements.txt'), packages.map((each) => `${each}\n`).join(''));
  const start =
    'module' in plan.start ? ['-m', plan.start.module] : ['-c', await entryCode(target, plan.start.program, env)];
  return { runtime: 'python', command: 'python3', args: [...start, ...plan.args], packages };
}

export async function vendorPythonCode(plan: PythonCode, options: VendorOptions): Promise<Vendored> {
  const { cwd, folder } = options;
  if (plan.file === undefined)
    return { runtime: 'python', command: 'python3', args: [...plan.flags, ...plan.args], packages: [] };
  const file = resolve(cwd, plan.file);
  if (!existsSync(file)) throw new PlatformError('NOT_FOUND', `The file ${plan.file} does not exist in ${cwd}.`);
  const home = dirname(file);
  const to = join(folder, 'server');
  await mkdir(to, { recursive: true });
  await cp(home, to, {
    recursive: true,
    dereference: true,
    filter: (path) => !/^(?:\.git|\.venv|venv|__pycache__|\.zeroplane|\.env(?:\..*)?)$/.test(basename(path)),
  });
  const entry = relative(folder, join(to, basename(file))).replaceAll(sep, '/');
  return { runtime: 'python', command: 'python3', args: [...plan.flags, entry, ...plan.args], packages: [] };
}

/** `name==version` of everything that pip has put there. */
async function installedPackages(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => /^(.+)-([^-]+)\.dist-info$/.exec(name)?.slice(1, 3).join('==') ?? []).sort();
}

/**
 * A program that pip would install is a call of a function, named in `entry_points.txt`. Its script would carry the
 * path of the Python that installed it, so the call is made by itself.
 */
async function entryCode(folder: string, program: string, env: Readonly<Record<string, string>>): Promise<string> {
  const find = [
    'import sys, importlib.metadata as m',
    'found = [e.value for d in m.distributions(path=[sys.argv[1]]) for e in d.entry_points if e.group == "console_scripts" and e.name == sys.argv[2]]',
    'print(found[0] if found else "")',
  ].join('\n');
  const out = await runProgram('python3', ['-I', '-c', find, folder, program], { cwd: folder, env, missing: MISSING });
  const match = /^([\w.]+):([\w.]+)/.exec(out.trim());
  if (match === null) {
    const next = 'Name the program with uvx --from PACKAGE PROGRAM, or its module with python -m MODULE.';
    throw new PlatformError('USAGE', `The package has no program "${program}". ${next}`);
  }
  const [, module, call] = match;
  const first = call?.split('.')[0] ?? 'main';
  return `import sys; from ${module} import ${first}; sys.exit(${call}())`;
}
