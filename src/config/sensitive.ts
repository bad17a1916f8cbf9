/** Which names announce a secret, for the list that logs and answers are cleaned of. */

const SENSITIVE = /(^|[_-])(authorization|cookie|credentials?|key|apikey|pass|passwd|password|pat|secret|token)s?$/i;

/** `GITHUB_TOKEN`, `X-Api-Key`, `Authorization`; not `KEYBOARD` or `TOKENIZERS_PARALLELISM`. */
export function isSensitiveName(name: string): boolean {
  return SENSITIVE.test(name);
}

/** The part of a header or variable that is secret: without the scheme, and only when long enough to search for. */
export function sensitivePart(value: string): string | undefined {
  const bare = value.replace(/^(bearer|basic|token)\s+/i, '');
  return bare.length >= 8 ? bare : undefined;
}
