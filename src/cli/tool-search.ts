/** `tools find` with the index of the gateway's own `search_tools`, so that both find the same. */

import type { View } from '../gateway/view.ts';
import { SearchTools } from '../gateway/search.ts';
import type { Decision } from '../policy/decide.ts';
import type { ToolDefinition } from './verbs/tools.ts';

const ALLOWED: Decision = { allowed: true, visible: true };

/** The tools that fit, best first, at most `limit`. What the caller could list it may find. */
export function searchTools(tools: readonly ToolDefinition[], query: string, limit: number): ToolDefinition[] {
  const lists = { tools: tools.map((value) => ({ key: value.name, definition: { value }, resource: {} })) };
  // The index reads nothing else of a view.
  const view = { lists } as unknown as View;
  const found = new SearchTools({}).find(view, query, { decisions: tools.map(() => ALLOWED), limit });
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  return found.map((published) => byName.get(published.key)).filter((tool) => tool !== undefined);
}
