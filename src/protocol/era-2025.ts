/**
 * The codec of the revisions with a handshake, 2024-11-05 to 2025-11-25: their methods and the shape of their
 * results. What a revision does not know is translated to the nearest thing it does.
 */

import { isObject, rawMembers, scan, textOf } from '../core/json.ts';
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
 * Shapes a result for a legacy revision.
 *
 * Members of 2026-07-28 go; `structuredContent` that is no object goes, since those schemas want one; links
 * (before 2025-06-18) and audio (before 2025-03-26) become content that the revision has.
 */
export function encodeLegacyResult(text: string, version: string): string {
  if (!needsWork(text, version)) return text;
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) return text;
  const out: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (key === 'resultType' || key === 'ttlMs' || key === 'cacheScope') continue;
    if (key === 'structuredContent' && !isObject(member)) continue;
    out[key] = member;
  }
  if (isObject(out['_meta'])) out['_meta'] = withoutProtocolKeys(out['_meta']);
  if (isObject(out['_meta']) && Object.keys(out['_meta']).length === 0) delete out['_meta'];
  if (Array.isArray(out['content']))
    out['content'] = out['content'].map((block: unknown) => downgradeBlock(block, version));
  if (Array.isArray(out['messages']))
    out['messages'] = out['messages'].map((message: unknown) => downgradeMessage(message, version));
  return losesNumbers(text) ? spliceLegacy(text, value, out) : JSON.stringify(out);
}

/** A number that `JSON.parse` cannot hold exactly: 16 digits and more. */
function losesNumbers(text: string): boolean {
  return /[:[,]\s*-?\d{16,}/.test(text);
}

/** Keeps the text of what did not change, so that large numbers survive. */
function spliceLegacy(text: string, before: Record<string, unknown>, after: Record<string, unknown>): string {
  const { object } = scan(text, 1);
  const raw = new Map(object === undefined ? [] : rawMembers(text, object).map((member) => [member.key, member.text]));
  const parts: string[] = [];
  for (const [key, value] of Object.entries(after)) {
    const unchanged = value === before[key] || JSON.stringify(value) === JSON.stringify(before[key]);
    parts.push(`${JSON.stringify(key)}:${unchanged ? (raw.get(key) ?? JSON.stringify(value)) : JSON.stringify(value)}`);
  }
  return `{${parts.join(',')}}`;
}

function withoutProtocolKeys(meta: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(META_PREFIX)));
}

function downgradeMessage(message: unknown, version: string): unknown {
  return isObject(message) ? { ...message, content: downgradeBlock(message['content'], version) } : message;
}

function downgradeBlock(block: unknown, version: string): unknown {
  if (!isObject(block)) return block;
  if (block['type'] === 'resource_link' && version < '2025-06-18') {
    const title = textOf(block['title'] ?? block['name']) || 'resource';
    return { type: 'text', text: `${title}: ${textOf(block['uri'])}` };
  }
  if (block['type'] === 'audio' && version < '2025-03-26') {
    return { type: 'resource', resource: { uri: 'audio:inline', mimeType: block['mimeType'], blob: block['data'] } };
  }
  return block;
}
