/** What every request of 2026-07-28 says about its sender, in `_meta`. */

import type { ClientInfo } from './revisions.ts';
import type { Exchange } from '../core/target.ts';
import { MODERN_VERSION } from './revisions.ts';

const PROTOCOL_VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const CLIENT_INFO_KEY = 'io.modelcontextprotocol/clientInfo';
const CLIENT_CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';
const LOG_LEVEL_KEY = 'io.modelcontextprotocol/logLevel';
export const SERVER_INFO_KEY = 'io.modelcontextprotocol/serverInfo';

/** Makes the envelope of each request; the constant part is built once per conversation. */
export class ModernEnvelope {
  readonly #head: string;
  readonly #declare: Readonly<Record<string, unknown>>;

  /** @param declare - Capabilities of requests without a caller. */
  constructor(
    clientInfo: ClientInfo,
    declare: Readonly<Record<string, unknown>>,
    protocolVersion: string = MODERN_VERSION,
  ) {
    const info = JSON.stringify({ name: clientInfo.name, version: clientInfo.version });
    this.#head = `"${PROTOCOL_VERSION_KEY}":${JSON.stringify(protocolVersion)},"${CLIENT_INFO_KEY}":${info},"${CLIENT_CAPABILITIES_KEY}":`;
    this.#declare = declare;
  }

  /** `"key":value,` pairs, each followed by a comma, as {@link PeerRequest.envelope} wants them. */
  text(exchange: Exchange | undefined): string {
    const capabilities = capabilityText(exchange?.capabilities ?? this.#declare);
    const level = exchange?.logLevel;
    const log = level === undefined ? '' : `"${LOG_LEVEL_KEY}":${JSON.stringify(level)},`;
    return `${this.#head}${capabilities},${log}`;
  }
}

/** Each request brings an object of its own, mostly an empty one, so remembering texts would cost more than making them. */
function capabilityText(capabilities: Readonly<Record<string, unknown>>): string {
  for (const _key in capabilities) return JSON.stringify(capabilities);
  return '{}';
}
