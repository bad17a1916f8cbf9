/** The two samples that a first start without any configuration serves: a stdio server and a function. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LoadedConfig } from '../config/load.ts';
import { loadConfig } from '../config/load.ts';

const FILE = 'zeroplane.json';

/** `samples/` lies beside `src` and `dist`, however deep the file that asks for it is bundled. */
function samplesFolder(): string | undefined {
  return ['../samples/', '../../samples/', '../../../samples/']
    .map((up) => fileURLToPath(new URL(up, import.meta.url)))
    .find((folder) => existsSync(`${folder}${FILE}`));
}

/** A configuration with the samples in it, where there is none at all; any other stays as it is. */
export async function withSamples(
  loaded: LoadedConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadedConfig> {
  const folder = loaded.samples ? samplesFolder() : undefined;
  if (folder === undefined) return loaded;
  const samples = await loadConfig({ cwd: folder, configPath: FILE, env });
  const { mcpServers, functions } = samples.config;
  return { ...loaded, config: { ...loaded.config, mcpServers, functions } };
}
