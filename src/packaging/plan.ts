/**
 * What a command line of the usual kinds starts: `npx`, `node`, `uvx`, `pipx run`, `python`. Runners that fetch a
 * package at every start have no place in a function, so the package is taken out of the line and the program behind
 * it is started by itself.
 */

import { PlatformError } from '../core/errors.ts';

export type Plan = NodePackage | NodeFile | PythonPackage | PythonCode;

export interface NodePackage {
  readonly kind: 'node-package';
  /** As npm takes it: `name`, `name@1.2.3`, `@scope/name`. */
  readonly spec: string;
  /** Name of the program, when the package has several. */
  readonly bin: string | undefined;
  readonly args: readonly string[];
}

export interface NodeFile {
  readonly kind: 'node-file';
  readonly file: string;
  /** Flags of Node before the file. */
  readonly flags: readonly string[];
  readonly args: readonly string[];
}

export interface PythonPackage {
  readonly kind: 'python-package';
  /** As pip takes it: `name`, `name==1.2.3`. */
  readonly spec: string;
  /** The module to run (`-m`), or a program of the package. */
  readonly start: { readonly module: string } | { readonly program: string };
  readonly args: readonly string[];
}

/** Python with a file or code of one's own, and nothing to install. */
export interface PythonCode {
  readonly kind: 'python-code';
  readonly file: string | undefined;
  /** `-c` and the code, or flags before the file. */
  readonly flags: readonly string[];
  readonly args: readonly string[];
}

const NEXT = 'Commands that can be wrapped begin with npx, node, uvx, pipx run or python.';

/** @throws PlatformError `USAGE` for a command of another kind, or one that names no package or file. */
export function planOf(words: readonly string[]): Plan {
  const [command = '', ...rest] = words;
  const program = command.replace(/^.*\//, '');
  if (program === 'npx') return npx(rest);
  if (program === 'npm' && (rest[0] === 'exec' || rest[0] === 'x')) return npx(rest.slice(1));
  if (program === 'node') return nodeFile(rest);
  if (program === 'uvx') return uvx(rest);
  if (program === 'uv' && rest[0] === 'tool' && rest[1] === 'run') return uvx(rest.slice(2));
  if (program === 'pipx' && rest[0] === 'run') return uvx(rest.slice(1));
  if (/^python[0-9.]*$/.test(program)) return python(rest);
  throw new PlatformError('USAGE', `"${command}" is not a command that can be wrapped. ${NEXT}`);
}

const NPX_FLAGS: ReadonlySet<string> = new Set([
  '-y',
  '--yes',
  '--offline',
  '--prefer-offline',
  '-q',
  '--quiet',
  '--no',
]);

function npx(words: readonly string[]): NodePackage {
  let spec: string | undefined;
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] ?? '';
    const inline = /^--package=(.+)$/.exec(word)?.[1];
    if (word === '-p' || word === '--package') spec = words[++at];
    else if (inline !== undefined) spec = inline;
    else if (word === '--') {
      at++;
      break;
    } else if (!NPX_FLAGS.has(word)) break;
  }
  const [name, ...args] = words.slice(at);
  if (name?.startsWith('-') === true) throw new PlatformError('USAGE', `npx's flag ${name} is not understood here.`);
  if (name === undefined) throw new PlatformError('USAGE', 'The npx command names no package.');
  return spec === undefined
    ? { kind: 'node-package', spec: name, bin: undefined, args }
    : { kind: 'node-package', spec, bin: name, args };
}

function nodeFile(words: readonly string[]): NodeFile {
  const at = words.findIndex((word) => !word.startsWith('-'));
  const file = words[at];
  if (file === undefined) throw new PlatformError('USAGE', 'The node command names no file.');
  return { kind: 'node-file', file, flags: words.slice(0, at), args: words.slice(at + 1) };
}

function uvx(words: readonly string[]): PythonPackage {
  let spec: string | undefined;
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] ?? '';
    const inline = /^--(?:from|spec)=(.+)$/.exec(word)?.[1];
    if (word === '--from' || word === '--spec') spec = words[++at];
    else if (inline !== undefined) spec = inline;
    else if (word === '--python' || word === '-p') at++;
    else if (!['--quiet', '-q', '--offline', '--no-cache', '--isolated'].includes(word)) break;
  }
  const [name, ...args] = words.slice(at);
  if (name?.startsWith('-') === true)
    throw new PlatformError('USAGE', `The flag ${name} of uvx is not understood here.`);
  if (name === undefined) throw new PlatformError('USAGE', 'The uvx command names no package.');
  const program = name.replace(/(?:@|[=<>~!]=?).*$/, '').replace(/\[.*\]$/, '');
  return { kind: 'python-package', spec: pipSpec(spec ?? name), start: { program }, args };
}

/** uvx writes `name@1.2.3`, pip `name==1.2.3`. */
function pipSpec(spec: string): string {
  return spec.replace(/@latest$/, '').replace(/^([A-Za-z0-9._-]+(?:\[[^\]]*\])?)@(\d.*)$/, '$1==$2');
}

function python(words: readonly string[]): PythonPackage | PythonCode {
  const at = words.findIndex((word) => !word.startsWith('-') || word === '-m' || word === '-c');
  const word = words[at];
  const flags = words.slice(0, Math.max(0, at));
  if (word === undefined) throw new PlatformError('USAGE', 'The python command names no module and no file.');
  if (word === '-c') {
    const code = words[at + 1];
    if (code === undefined) throw new PlatformError('USAGE', 'python -c names no code.');
    return { kind: 'python-code', file: undefined, flags: [...flags, '-c', code], args: words.slice(at + 2) };
  }
  if (word !== '-m') return { kind: 'python-code', file: word, flags, args: words.slice(at + 1) };
  const module = words[at + 1];
  if (module === undefined) throw new PlatformError('USAGE', 'python -m names no module.');
  const spec = module.split('.')[0]?.replaceAll('_', '-') ?? module;
  return { kind: 'python-package', spec, start: { module }, args: words.slice(at + 2) };
}

/** A name for the function: what the plan starts, in the letters that both Lambda and a target's id take. */
export function nameOf(plan: Plan): string {
  const text =
    plan.kind === 'node-package' || plan.kind === 'python-package'
      ? plan.spec.replace(/(?!^)@.*$|[=<>~![].*$/g, '').replace(/^@[^/]*\//, '')
      : (plan.file?.replace(/^.*\//, '').replace(/\.[a-z]+$/, '') ?? 'python-server');
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return name === '' ? 'server' : name;
}
