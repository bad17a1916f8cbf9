/**
 * The little XML that AWS's older protocols need: elements and text. Attributes, comments and processing instructions are
 * passed over; a document type is refused, so that no entity can be defined.
 */

import { xml as escaped } from './aws-errors.ts';

export interface XmlElement {
  readonly name: string;
  /** All text directly inside, with entities replaced. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** Text, a list that repeats its element, or an object of children; `undefined` is left out. */
export type XmlValue =
  | string
  | number
  | boolean
  | undefined
  | readonly XmlValue[]
  | { readonly [name: string]: XmlValue };

export function toXml(name: string, value: XmlValue): string {
  if (value === undefined) return '';
  if (isList(value)) return value.map((each) => toXml(name, each)).join('');
  if (typeof value !== 'object') return `<${name}>${escaped(String(value))}</${name}>`;
  return `<${name}>${membersToXml(value)}</${name}>`;
}

function isList(value: XmlValue): value is readonly XmlValue[] {
  return Array.isArray(value);
}

export function membersToXml(members: { readonly [name: string]: XmlValue }): string {
  return Object.entries(members)
    .map(([name, value]) => toXml(name, value))
    .join('');
}

const MAX_DEPTH = 20;
const TOKEN =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([A-Za-z_][\w.:-]*)((?:\s[^<>]*?)?)(\/?)>/y;

interface Open {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/** @returns the root element; `undefined` when the text is not well formed, too deep, or has a document type. */
export function readXml(document: string): XmlElement | undefined {
  const root: Open = { name: '', text: '', children: [] };
  const open: Open[] = [root];
  for (let at = 0; at < document.length;) {
    const current = open.at(-1);
    if (current === undefined || open.length > MAX_DEPTH) return undefined;
    if (document[at] !== '<') {
      const end = document.indexOf('<', at);
      current.text += unescape(document.slice(at, end < 0 ? undefined : end));
      at = end < 0 ? document.length : end;
      continue;
    }
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(document);
    if (token === null || !take(token, open)) return undefined;
    at = TOKEN.lastIndex;
  }
  const [first, ...more] = root.children;
  return open.length === 1 && more.length === 0 && root.text.trim() === '' ? first : undefined;
}

/** @returns false for an end that nothing began. */
function take(token: RegExpExecArray, open: Open[]): boolean {
  const [, data, slash, name, , isEmpty] = token;
  const current = open.at(-1);
  if (current === undefined) return false;
  if (data !== undefined) current.text += data;
  if (name === undefined) return true;
  if (slash === '/') {
    const parent = open.at(-2);
    if (current.name !== name || parent === undefined) return false;
    open.pop();
    parent.children.push(current);
    return true;
  }
  const element: Open = { name, text: '', children: [] };
  if (isEmpty === '/') current.children.push(element);
  else open.push(element);
  return true;
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

function unescape(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|([a-z]+));/g, (whole, hex, decimal, name) => {
    const code = hex !== undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    if (name !== undefined) return ENTITIES.get(String(name)) ?? whole;
    return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
  });
}

export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

/** Text of a child; `undefined` when there is none. */
export function childText(element: XmlElement | undefined, name: string): string | undefined {
  return childOf(element, name)?.text;
}

export function childrenOf(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}
