/** A tool's result as a person reads it: texts as they are, anything else by what it is. */

import { printable, textOf } from './style.ts';

type Fields = Readonly<Record<string, unknown>>;

export function contentText(result: Fields): string {
  const blocks = Array.isArray(result['content']) ? (result['content'] as unknown[]) : [];
  const texts = blocks.map(blockText).filter((text) => text !== '');
  if (texts.length > 0) return texts.join('\n');
  const structured = result['structuredContent'];
  return structured === undefined ? '' : printable(JSON.stringify(structured, null, 2));
}

function blockText(block: unknown): string {
  if (typeof block !== 'object' || block === null) return printable(JSON.stringify(block));
  const fields = block as Fields;
  const { type, text, data, mimeType, uri, name, resource } = fields;
  if (type === 'text') return printable(textOf(text));
  if (type === 'image' || type === 'audio') return `[${type} ${printable(textOf(mimeType))}, ${byteCount(data)} bytes]`;
  if (type === 'resource_link') return `[resource ${printable(`${textOf(name ?? '')} ${textOf(uri)}`.trim())}]`;
  if (type === 'resource' && typeof resource === 'object' && resource !== null) return resourceText(resource as Fields);
  return printable(JSON.stringify(block));
}

function resourceText(resource: Fields): string {
  const { uri, text, blob, mimeType } = resource;
  if (typeof text === 'string') return printable(text);
  return `[resource ${printable(textOf(uri))} ${printable(textOf(mimeType ?? ''))}, ${byteCount(blob)} bytes]`;
}

function byteCount(base64: unknown): number {
  return typeof base64 === 'string' ? Buffer.byteLength(base64, 'base64') : 0;
}
