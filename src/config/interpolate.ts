/** Puts variables and secrets in place of references, over a whole tree, reporting each that is missing. */

import type { SecretSource } from '../core/ports.ts';
import { PlatformError } from '../core/errors.ts';
import type { ConfigNode, ConfigText, MapNode, NodePath, ScalarNode } from './document.ts';
import { listNode, mapNode, scalarNode } from './document.ts';
import type { BrokenReference, Reference } from './references.ts';
import { splitReferences } from './references.ts';
import { isSensitiveName } from './sensitive.ts';

export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly secrets: SecretSource;
  /** Defaults of VS Code inputs. */
  readonly inputDefaults: ReadonlyMap<string, string>;
  /** The type that the schema wants at a path, asked only for a value that is one reference. */
  readonly typeAt: (path: NodePath) => string | undefined;
}

/** Resolves every reference below `root`, but for servers and functions that are disabled. */
export async function interpolate(source: ConfigText, root: MapNode, environment: Environment): Promise<Interpolated> {
  const interpolation = new Interpolation(source, environment);
  const node = await interpolation.visit(root, []);
  return { root: node.kind === 'map' ? node : root, secretValues: [...interpolation.secretValues] };
}

export interface Interpolated {
  readonly root: MapNode;
  /** Values that must never be shown. */
  readonly secretValues: readonly string[];
}

class Interpolation {
  readonly secretValues = new Set<string>();
  readonly #source: ConfigText;
  readonly #environment: Environment;

  constructor(source: ConfigText, environment: Environment) {
    this.#source = source;
    this.#environment = environment;
  }

  async visit(node: ConfigNode, path: NodePath): Promise<ConfigNode> {
    if (node.kind === 'scalar') return typeof node.value === 'string' ? this.#scalar(node, node.value, path) : node;
    if (node.kind === 'list') {
      const items: ConfigNode[] = [];
      for (const [index, item] of node.items.entries()) items.push(await this.visit(item, [...path, index]));
      return listNode(node, items);
    }
    const entries: [string, { keyStart: number; node: ConfigNode }][] = [];
    for (const [key, entry] of node.entries) {
      const inner = [...path, key];
      const isKept = isDisabled(entry.node, inner);
      entries.push([
        key,
        { keyStart: entry.keyStart, node: isKept ? entry.node : await this.visit(entry.node, inner) },
      ]);
    }
    return mapNode(node, entries);
  }

  async #scalar(node: ScalarNode, text: string, path: NodePath): Promise<ConfigNode> {
    if (!text.includes('${')) return node;
    const parts = splitReferences(text);
    const resolved: string[] = [];
    for (const part of parts) {
      resolved.push(typeof part === 'string' ? part : ((await this.#resolve(node, part, path)) ?? ''));
    }
    const value = resolved.join('');
    return scalarNode(node, parts.length === 1 ? this.#typed(value, path) : value);
  }

  /** `port: ${env:PORT}` is text until here. */
  #typed(value: string, path: NodePath): string | number | boolean {
    const isNumber = /^-?\d{1,15}$/.test(value);
    if (!isNumber && value !== 'true' && value !== 'false') return value;
    const wanted = this.#environment.typeAt(path);
    if (isNumber && (wanted === 'integer' || wanted === 'number')) return Number(value);
    return !isNumber && wanted === 'boolean' ? value === 'true' : value;
  }

  async #resolve(
    node: ScalarNode,
    reference: Reference | BrokenReference,
    path: NodePath,
  ): Promise<string | undefined> {
    if (reference.kind === 'broken') {
      this.#report(node, reference.raw, path, {
        message: `"${reference.raw}" ${reference.reason}`,
        code: 'CONFIG_INVALID',
      });
      return undefined;
    }
    return reference.kind === 'env' ? this.#variable(node, reference, path) : this.#secret(node, reference, path);
  }

  #variable(node: ScalarNode, reference: Reference, path: NodePath): string | undefined {
    const { env } = this.#environment;
    const value = Object.hasOwn(env, reference.name) ? env[reference.name] : undefined;
    const used = (value === undefined || value === '') && reference.fallback !== undefined ? reference.fallback : value;
    if (used === undefined) {
      const message = `The variable ${reference.name}${userOf(path)} is not set; set it, or write \${env:${reference.name}:-DEFAULT}`;
      this.#report(node, reference.raw, path, { message, code: 'CONFIG_MISSING_VARIABLE' });
    } else if (isSensitiveName(reference.name) && used.length >= 8) {
      this.secretValues.add(used);
    }
    return used;
  }

  async #secret(node: ScalarNode, reference: Reference, path: NodePath): Promise<string | undefined> {
    const { secrets, inputDefaults } = this.#environment;
    let trouble = 'is not known';
    let value: string | undefined;
    try {
      value = await secrets.get(reference.name);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      trouble = `cannot be read: ${error.message}`;
    }
    if (value === undefined && reference.kind === 'input') value = inputDefaults.get(reference.name);
    if (value === undefined) {
      const variable = `ZEROPLANE_SECRET_${reference.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
      const message = `The secret ${reference.name}${userOf(path)} ${trouble}; set ${variable}, or write it to secrets/${reference.name} in the data folder`;
      this.#report(node, reference.raw, path, { message, code: 'CONFIG_MISSING_SECRET' });
    } else if (value !== '') {
      this.secretValues.add(value);
    }
    return value;
  }

  #report(
    node: ScalarNode,
    raw: string,
    path: NodePath,
    what: { message: string; code: 'CONFIG_INVALID' | 'CONFIG_MISSING_VARIABLE' | 'CONFIG_MISSING_SECRET' },
  ): void {
    this.#source.report(this.#offsetOf(node, raw), what.message, { code: what.code, path });
  }

  /** The reference itself where it can be found as written, in our spelling or in the client's; else its value. */
  #offsetOf(node: ScalarNode, raw: string): number {
    const text = this.#source.text.slice(node.start, Math.max(node.end, node.start + 1));
    const spellings = [raw, raw.replace('${env:', '${'), raw.slice(1)];
    const found = spellings.map((spelling) => text.indexOf(spelling)).find((index) => index >= 0);
    return node.start + (found ?? 0);
  }
}

function isDisabled(node: ConfigNode, path: NodePath): boolean {
  if (path.length !== 2 || (path[0] !== 'mcpServers' && path[0] !== 'functions') || node.kind !== 'map') return false;
  const flag = node.entries.get('disabled')?.node;
  return flag?.kind === 'scalar' && flag.value === true;
}

function userOf(path: NodePath): string {
  if (path[0] === 'mcpServers' && path.length > 1) return ` of server "${path[1]}"`;
  return path[0] === 'functions' && path.length > 1 ? ` of function "${path[1]}"` : '';
}
