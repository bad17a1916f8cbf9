/** The text of a configuration as a tree in our own form, whoever wrote the file. */

import type { Adopted, Dialect } from './dialects.ts';
import { adoptForeign, adoptOwnReferences, detectDialect } from './dialects.ts';
import type { ConfigText } from './document.ts';
import { formatOf, parseText } from './parse-text.ts';
import { ConfigError, inOrder } from './problems.ts';
import { rootMapping } from './validate.ts';

/**
 * @param file The path of the file: its name says format and, in part, dialect.
 * @throws ConfigError when there is nothing that could be checked further.
 */
export function readRoot(source: ConfigText, file: string): Adopted & { readonly dialect: Dialect } {
  const node = parseText(source, formatOf(file));
  const root = node === undefined ? undefined : rootMapping(source, node);
  if (root === undefined) throw new ConfigError(inOrder(source.problems));
  const dialect = detectDialect(root, file);
  if (dialect !== 'zeroplane') return { ...adoptForeign(source, root, dialect), dialect };
  return { root: adoptOwnReferences(root), notes: [], inputDefaults: new Map(), dialect };
}
