/**
 * Public resource URIs on `/mcp`: `target+<original>`, `ui://target/<rest>`; `http` and `https` stay, since a client
 * may fetch them itself. On `/mcp/{target}` nothing is rewritten.
 */

import { isTargetId } from './names.ts';

/** What the gateway itself publishes; never another target's. */
export const OWN_SCHEME = 'zeroplane:';

const UI = 'ui://';

export function publicUri(target: string, uri: string): string {
  if (uri.startsWith(OWN_SCHEME) || /^https?:/i.test(uri)) return uri;
  return uri.startsWith(UI) ? `${UI}${target}/${uri.slice(UI.length)}` : `${target}+${uri}`;
}

export interface SplitUri {
  readonly target: string;
  readonly uri: string;
}

/** The target part of a public URI, `undefined` when it has none. */
export function splitUri(uri: string): SplitUri | undefined {
  if (uri.startsWith(UI)) {
    const slash = uri.indexOf('/', UI.length);
    const target = slash < 0 ? '' : uri.slice(UI.length, slash);
    return isTargetId(target) ? { target, uri: `${UI}${uri.slice(slash + 1)}` } : undefined;
  }
  const plus = uri.indexOf('+');
  const target = plus < 0 ? '' : uri.slice(0, plus);
  return isTargetId(target) ? { target, uri: uri.slice(plus + 1) } : undefined;
}
