/** The environment variables that select functions; they win over `discover` in the file. */

import type { CheckedConfig } from './validate.ts';

type Base = CheckedConfig['base'];

/** `FUNCTION_PREFIX`, `FUNCTION_LIST` (names between commas, or a JSON array), `FUNCTION_TAG_KEY` and `FUNCTION_TAG_VALUE`. */
export function applyDiscoverVariables(base: Base, env: Readonly<Record<string, string | undefined>>): Base {
  const prefix = env['FUNCTION_PREFIX'];
  const list = namesOf(env['FUNCTION_LIST'] ?? '');
  const tag = env['FUNCTION_TAG_KEY'];
  const tagValue = env['FUNCTION_TAG_VALUE'];
  if (!prefix && list.length === 0 && (!tag || !tagValue)) return base;
  const discover = {
    ...base.discover,
    ...(prefix ? { prefix } : {}),
    ...(list.length > 0 ? { list } : {}),
    ...(tag && tagValue ? { lambdaTags: { [tag]: tagValue } } : {}),
  };
  return { ...base, discover };
}

function namesOf(text: string): string[] {
  const bare = text.trim().replaceAll(/^\[|\]$/g, '');
  return bare
    .split(',')
    .map((name) => name.trim().replaceAll(/^["']|["']$/g, ''))
    .filter((name) => name !== '');
}
