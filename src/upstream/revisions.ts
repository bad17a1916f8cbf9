/** Revisions of MCP that we speak to servers. */

export const MODERN_VERSION = '2026-07-28';

/** What we offer in `initialize`. */
export const LEGACY_OFFER = '2025-11-25';

/** What a server may answer to `initialize`. */
export const LEGACY_VERSIONS: ReadonlySet<string> = new Set([
  '2025-11-25',
  '2025-06-18',
  '2025-03-26',
  '2024-11-05',
  '2024-10-07',
]);

/** How we introduce ourselves to servers. */
export interface ClientInfo {
  readonly name: string;
  readonly version: string;
}

/** Everything a client can be asked for: what a catalogue conversation with a legacy server declares. */
export const DECLARE_ALL: Readonly<Record<string, unknown>> = Object.freeze({
  elicitation: Object.freeze({ form: Object.freeze({}), url: Object.freeze({}) }),
  sampling: Object.freeze({ tools: Object.freeze({}), context: Object.freeze({}) }),
  roots: Object.freeze({ listChanged: true }),
});

/** Whether capabilities let a server ask questions. */
export function declaresQuestions(capabilities: Readonly<Record<string, unknown>>): boolean {
  return 'elicitation' in capabilities || 'sampling' in capabilities || 'roots' in capabilities;
}
