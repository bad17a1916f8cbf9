/** The protocol revisions, newest first, and the names that only the modern one uses in `_meta`. */

export const MODERN_VERSION = '2026-07-28';
const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
export const SUPPORTED_VERSIONS: readonly string[] = [MODERN_VERSION, ...LEGACY_VERSIONS];
const LATEST_LEGACY_VERSION = LEGACY_VERSIONS[0];

export const META_PREFIX = 'io.modelcontextprotocol/';
export const META_VERSION = `${META_PREFIX}protocolVersion`;
export const META_CLIENT_CAPABILITIES = `${META_PREFIX}clientCapabilities`;
export const META_LOG_LEVEL = `${META_PREFIX}logLevel`;
export const META_SERVER_INFO = `${META_PREFIX}serverInfo`;
export const META_SUBSCRIPTION_ID = `${META_PREFIX}subscriptionId`;

export function isLegacyVersion(version: string): boolean {
  return (LEGACY_VERSIONS as readonly string[]).includes(version);
}

/** The revision to answer `initialize` with: the one asked for when we speak it, else our newest legacy one. */
export function negotiateLegacy(requested: unknown): string {
  return typeof requested === 'string' && isLegacyVersion(requested) ? requested : LATEST_LEGACY_VERSION;
}
