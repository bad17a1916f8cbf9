/** The tag that keeps a tool from external callers. */

export type Tags = Readonly<Record<string, string>>;

/** The key whose value `internal` hides; any other value, and none, shows. */
const VISIBILITY = 'visibility';
const INTERNAL = 'internal';

export function isInternal(tags: Tags | undefined): boolean {
  return tags !== undefined && Object.hasOwn(tags, VISIBILITY) && tags[VISIBILITY] === INTERNAL;
}

/** Tags of a thing that stands on another: its own win, but what is internal below stays internal. */
export function inheritTags(own: Tags | undefined, below: Tags | undefined): Tags | undefined {
  if (below === undefined) return own;
  const merged = own === undefined ? below : { ...below, ...own };
  return isInternal(below) && !isInternal(merged) ? { ...merged, [VISIBILITY]: INTERNAL } : merged;
}
