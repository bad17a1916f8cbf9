/**
 * The codec of the revisions with a handshake, 2024-11-05 to 2025-11-25: their methods and the shape of their
 * results. What a revision does not know is translated to the nearest thing it does.
 */

import { PlatformError } from '../core/errors.ts';
import type { RawMember } from '../core/json.ts';
import { arrayElements, isObject, joinMembers, outline, rawMembers, textOf, withMember } from '../core/json.ts';
import { META_PREFIX } from './versions.ts';

export const LEGACY_METHODS: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'completion/complete',
]);

export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;

/** Whether a message of `level` passes a threshold; without a threshold all do. */
export function passesLogLevel(level: unknown, threshold: string | undefined): boolean {
  if (threshold === undefined) return true;
  const at = (LOG_LEVELS as readonly string[]).indexOf(String(level));
  return at < 0 || at >= (LOG_LEVELS as readonly string[]).indexOf(threshold);
}

/** Whether a result must change at all on its way to a legacy client: a cheap look at the text. */
function needsWork(text: string, version: string): boolean {
  if (
    text.includes('"resultType"') ||
    text.includes(META_PREFIX) ||
    text.includes('"ttlMs"') ||
    text.includes('"cacheScope"')
  )
    return true;
  if (text.includes('"structuredContent"')) return true;
  if (version < '2025-06-18' && text.includes('"resource_link"')) return true;
  return version < '2025-03-26' && text.includes('"audio"');
}

/**
 * Shapes a result for a legacy revision. What need not change stays the original text.
 *
 * Members of 2026-07-28 go; `structuredContent` that is no object goes, since those schemas want one; links
 * (before 2025-06-18) and audio (before 2025-03-26) become content that the revision has.
 *
 * @throws PlatformError `TARGET_PROTOCOL_ERROR` when the result is no object, or one that cannot be read twice alike.
 */
export function encodeLegacyResult(text: string, version: string): string {
  if (!needsWork(text, version)) return text;
  const object = outline(text, 2);
  if (object === undefined)
    throw new PlatformError('TARGET_PROTOCOL_ERROR', 'The target answered with a result that is no object.');
  const kept: RawMember[] = [];
  let changed = false;
  for (const entry of object.members) {
    const member = { key: entry.key, text: text.slice(entry.start, entry.end) };
    const encoded = encodeMember(member, entry.object && rawMembers(text, entry.object), version);
    if (encoded !== undefined) kept.push({ key: entry.key, text: encoded });
    changed ||= encoded !== member.text;
  }
  return changed ? joinMembers(kept) : text;
}

/** The text of one member of a result, `undefined` when the revision has no such member. */
function encodeMember(
  { key, text }: RawMember,
  inner: readonly RawMember[] | undefined,
  version: string,
): string | undefined {
  switch (key) {
    case 'resultType':
    case 'ttlMs':
    case 'cacheScope':
      return undefined;
    case 'structuredContent':
      return inner === undefined ? undefined : text;
    case '_meta': {
      const kept = inner?.filter((member) => !member.key.startsWith(META_PREFIX)) ?? [];
      if (kept.length === inner?.length) return text;
      return kept.length === 0 ? undefined : joinMembers(kept);
    }
    case 'content':
      return eachElement(text, (block) => downgradeBlock(block, version));
    case 'messages':
      return eachElement(text, (message) => downgradeMessage(message, version));
    default:
      return text;
  }
}

/** The array with some elements replaced; the text itself when none is, or when it is no array. */
function eachElement(text: string, replace: (element: string) => string | undefined): string {
  const elements = arrayElements(text) ?? [];
  const replaced = elements.map(replace);
  if (replaced.every((element) => element === undefined)) return text;
  return `[${replaced.map((element, index) => element ?? elements[index]).join(',')}]`;
}

function downgradeMessage(text: string, version: string): string | undefined {
  const content = outline(text, 1)?.members.find((entry) => entry.key === 'content');
  const block = content && downgradeBlock(text.slice(content.start, content.end), version);
  return block === undefined ? undefined : withMember(text, 'content', block);
}

/** A content block that the revision knows in place of one that it does not; `undefined` when it may stay. */
function downgradeBlock(text: string, version: string): string | undefined {
  const isLink = version < '2025-06-18' && text.includes('"resource_link"');
  const isAudio = version < '2025-03-26' && text.includes('"audio"');
  if (!isLink && !isAudio) return undefined;
  const block: unknown = JSON.parse(text);
  if (!isObject(block)) return undefined;
  if (isLink && block['type'] === 'resource_link') {
    const title = textOf(block['title'] ?? block['name']) || 'resource';
    return JSON.stringify({ type: 'text', text: `${title}: ${textOf(block['uri'])}` });
  }
  if (!isAudio || block['type'] !== 'audio') return undefined;
  const resource = { uri: 'audio:inline', mimeType: block['mimeType'], blob: block['data'] };
  return JSON.stringify({ type: 'resource', resource });
}
