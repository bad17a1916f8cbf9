/** `--no-pre-discovery`, which a variable of the original server outranks. */

import type { LoadedConfig } from '../config/load.ts';
import type { Invocation } from './command.ts';

export function withDiscoveryFlags(
  loaded: LoadedConfig,
  invocation: Invocation,
  env: Readonly<Record<string, string | undefined>>,
): LoadedConfig {
  const { config } = loaded;
  if (invocation.isSet('preDiscovery') || env['PRE_DISCOVERY']) return loaded;
  return { ...loaded, config: { ...config, discover: { rescanSeconds: 60, ...config.discover, generic: true } } };
}
