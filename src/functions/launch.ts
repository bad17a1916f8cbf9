/** What is started for a function: program and arguments, found without a shell. */

import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { PlatformError } from '../core/errors.ts';
import type { ResolvedFunction } from './function-spec.ts';

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** The runtime that stands in for the declared one, where that is not installed. */
  readonly standIn?: string;
}

interface Interpreter {
  readonly path: string;
  /** As Lambda names it: `python3.12`. */
  readonly runtime: string;
}

const NODE_BOOTSTRAP = fileURLToPath(new URL('bootstrap.mjs', import.meta.url));
const PYTHON_BOOTSTRAP = fileURLToPath(new URL('bootstrap.py', import.meta.url));
const PROBE_TIMEOUT_MS = 10_000;

/** Finds programs on the operator's search path, and remembers what it found. */
export class Launcher {
  readonly #searchPath: readonly string[];
  readonly #interpreters = new Map<string, Promise<Interpreter | undefined>>();

  /** @param searchPath - Folders separated as in `PATH`. */
  constructor(searchPath: string) {
    this.#searchPath = searchPath.split(delimiter).filter((folder) => folder.startsWith('/'));
  }

  /** @throws PlatformError `FUNCTION_FAILED` naming the program or file that is missing and what to do. */
  async launch(spec: ResolvedFunction): Promise<Launch> {
    if (spec.kind === 'provided') return { command: await executableOf(spec), args: [] };
    const file = spec.moduleFile === undefined ? [] : [spec.moduleFile];
    if (spec.kind === 'python') {
      const { path, runtime } = await this.#python(spec);
      // Unbuffered, so that a log is whole when it is asked for; nothing is written into the code folder.
      const args = ['-u', '-B', PYTHON_BOOTSTRAP, ...file];
      return { command: path, args, ...(runtime === spec.runtime ? {} : { standIn: runtime }) };
    }
    // What V8 needs besides the heap is left a tenth.
    const heap = `--max-old-space-size=${Math.floor(spec.memoryMb * 0.9)}`;
    return { command: process.execPath, args: [heap, NODE_BOOTSTRAP, String(spec.nodeMajor), ...file] };
  }

  async #python(spec: ResolvedFunction): Promise<Interpreter> {
    const names = [...new Set([spec.runtime, 'python3'])];
    for (const name of names) {
      const found = await this.#interpreter(name);
      if (found !== undefined) return found;
    }
    const what = `Function "${spec.name}" needs ${names.join(' or ')}, and none of them is on the search path.`;
    const next = `Install Python, or change functions.${spec.name}.runtime.`;
    throw new PlatformError('FUNCTION_FAILED', `${what} ${next}`, { function: spec.name, commands: names });
  }

  #interpreter(name: string): Promise<Interpreter | undefined> {
    let found = this.#interpreters.get(name);
    if (found === undefined) {
      found = this.#findInterpreter(name);
      this.#interpreters.set(name, found);
      // What is missing may be installed in a moment.
      void found.then((interpreter) => interpreter ?? this.#interpreters.delete(name));
    }
    return found;
  }

  /** The interpreter itself: a version manager's stand-in would be asked, and cost its time, at every start. */
  async #findInterpreter(name: string): Promise<Interpreter | undefined> {
    for (const folder of this.#searchPath) {
      const candidate = join(folder, name);
      if (!(await isExecutable(candidate))) continue;
      const found = await this.#ask(candidate);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #ask(candidate: string): Promise<Interpreter | undefined> {
    const env = { PATH: this.#searchPath.join(delimiter) };
    return new Promise((resolve) => {
      const asked = ['-c', 'import sys; print(sys.executable); print("python%d.%d" % sys.version_info[:2])'];
      execFile(candidate, asked, { timeout: PROBE_TIMEOUT_MS, env }, (error, stdout) => {
        const [path = '', runtime = ''] = stdout.split('\n');
        resolve(error === null && path.startsWith('/') ? { path, runtime } : undefined);
      });
    });
  }
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/** `bootstrap` in the code folder, or the file that `code` names. */
async function executableOf(spec: ResolvedFunction): Promise<string> {
  const file = join(spec.taskRoot, spec.moduleFile ?? 'bootstrap');
  const details = { function: spec.name, file };
  const fail = (what: string): never => {
    throw new PlatformError('FUNCTION_FAILED', `Function "${spec.name}" ${what}`, details);
  };
  const head = await headOf(file);
  if (head === undefined) fail(`needs an executable "${file}", which does not exist. Build it there.`);
  else if (!(await isExecutable(file))) fail(`cannot run "${file}": it is not executable. Run chmod +x on it.`);
  else if (!isProgram(head))
    fail(`cannot run "${file}": it is neither a program of this system nor a script with a "#!" line. Add one.`);
  return file;
}

async function headOf(file: string): Promise<Buffer | undefined> {
  try {
    const handle = await open(file);
    try {
      const head = Buffer.alloc(4);
      await handle.read(head, 0, 4, 0);
      return head;
    } finally {
      await handle.close();
    }
  } catch (error) {
    // A program may be executable without being readable.
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? Buffer.from('\x7fELF') : undefined;
  }
}

const PROGRAM_HEADS = ['7f454c46', 'cffaedfe', 'cefaedfe', 'cafebabe', 'feedfacf', 'feedface'];

/** Anything else the system's own search would hand to a shell. */
function isProgram(head: Buffer): boolean {
  return head.toString('latin1', 0, 2) === '#!' || PROGRAM_HEADS.includes(head.toString('hex'));
}
