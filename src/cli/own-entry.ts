/** Recognises the entry that `connect` wrote: a gateway must not become its own target. */

import { loadConfig } from '../config/load.ts';
import type { LoadedConfig, LoadOptions } from '../config/load.ts';
import { TOKEN_INPUT, TOKEN_VARIABLE } from './token-names.ts';

interface RemoteEntry {
  readonly url?: unknown;
  readonly headers?: unknown;
}

/** An address of this machine that ends in `/mcp`, under our name or with a reference to our token. */
export function isOwnEntry(name: string, entry: object): boolean {
  const { url, headers } = entry as RemoteEntry;
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  const { hostname, pathname } = new URL(url);
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname) && /^\/mcp(\/[^/]*)?\/?$/.test(pathname);
  const text = JSON.stringify(headers ?? {});
  return isHere && (name === 'zeroplane' || text.includes(TOKEN_VARIABLE) || text.includes(TOKEN_INPUT));
}

/** Words that run the program, by itself, by `npx`, or by its file. */
const PROGRAM =
  /^(?:.*[\\/])?zeroplane(?:@[\w.-]+)?(?:\.cmd)?$|[\\/](?:zeroplane|dist)[\\/](?:.*[\\/])?cli[\\/]main\.js$/;

/** A command that starts `zeroplane mcp`: as a target of its own gateway it would start itself without end. */
export function startsOurselves(entry: object): boolean {
  const { command, args } = entry as { readonly command?: unknown; readonly args?: unknown };
  if (typeof command !== 'string') return false;
  const words = [command, ...(Array.isArray(args) ? args : [])].filter((word) => typeof word === 'string');
  const at = words.findIndex((word) => PROGRAM.test(word));
  return at >= 0 && words[at + 1] === 'mcp';
}

/** `loadConfig` for a folder whose `.mcp.json` may be the one that `connect` wrote. */
export async function loadWithoutOurselves(
  options: LoadOptions & { readonly env: NodeJS.ProcessEnv },
): Promise<LoadedConfig> {
  // Our entry refers to a variable that need not be set here; its own name marks the entry as ours.
  const loaded = await loadConfig({ ...options, env: { [TOKEN_VARIABLE]: TOKEN_VARIABLE, ...options.env } });
  return withoutOurselves(loaded);
}

/**
 * Leaves out entries of `.mcp.json` that are the gateway itself, by address or by command: there we are the server, not
 * a target. A file with nothing else in it counts as no configuration.
 */
function withoutOurselves(loaded: LoadedConfig): LoadedConfig {
  if (loaded.dialect === 'zeroplane') return loaded;
  const all = Object.entries(loaded.config.mcpServers);
  const others = all.filter(([id, server]) => !isOwnEntry(id, server) && !startsOurselves(server));
  if (others.length === all.length) return loaded;
  const text = 'The entry of this gateway itself is left out.';
  return {
    ...loaded,
    samples: others.length === 0,
    notes: [...loaded.notes, { kind: 'skipped', path: 'mcpServers.zeroplane', text }],
    config: { ...loaded.config, mcpServers: Object.fromEntries(others) },
  };
}
