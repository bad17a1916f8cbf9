/** Adds servers to a configuration's text without touching what a person wrote there. */

import { PlatformError } from '../core/errors.ts';
import { importServers } from '../config/dialects.ts';
import type { ImportedServer } from '../config/dialects.ts';

export type NewServers = readonly Pick<ImportedServer, 'id' | 'config'>[];

const HEADER = '# Configuration of Zeroplane. Every key is described in docs/reference/config.md.\n';

/**
 * @param text - The file as it stands; `undefined` when it is new.
 * @param file - Its name; `.json` and `.jsonc` are edited as JSON, anything else as YAML.
 * @throws PlatformError `CONFIG_SYNTAX` when the file cannot be read.
 */
export async function addServers(text: string | undefined, file: string, servers: NewServers): Promise<string> {
  const isJson = /\.jsonc?$/i.test(file);
  const edited = isJson ? await addToJson(text ?? '{}\n', servers) : await addToYaml(text ?? HEADER, servers);
  const readBack = importServers(edited, file);
  const ids = new Set(readBack.servers.map((server) => server.id));
  const lost = servers.find((server) => !ids.has(server.id));
  if (lost === undefined) return edited;
  const [problem] = readBack.problems;
  const why = problem === undefined ? '' : `: ${problem.message} (line ${problem.line})`;
  throw new PlatformError(
    'CONFIG_SYNTAX',
    `"${lost.id}" cannot be added to ${file}${why}. The file was left as it is.`,
    { next: 'zeroplane doctor --only config' },
  );
}

async function addToYaml(text: string, servers: NewServers): Promise<string> {
  const { parseDocument, isMap, YAMLMap } = await import('yaml');
  const document = parseDocument(text);
  if (document.errors.length > 0) return text;
  if (document.contents !== null && !isMap(document.contents)) return text;
  if (!isMap(document.get('mcpServers', true))) document.set('mcpServers', new YAMLMap());
  for (const { id, config } of servers) document.setIn(['mcpServers', id], document.createNode(config));
  return document.toString({ lineWidth: 0 });
}

async function addToJson(text: string, servers: NewServers): Promise<string> {
  const { applyEdits, modify, parseTree } = await import('jsonc-parser');
  const errors: Parameters<typeof parseTree>[1] = [];
  parseTree(text, errors, { allowTrailingComma: true });
  if (errors.length > 0) return text;
  let edited = text;
  for (const { id, config } of servers) {
    const edits = modify(edited, ['mcpServers', id], config, { formattingOptions: { insertSpaces: true, tabSize: 2 } });
    edited = applyEdits(edited, edits);
  }
  return edited;
}
