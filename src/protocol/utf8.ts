/** From the bytes of a body to its text. */

import { isAscii, isUtf8 } from 'node:buffer';
import { PlatformError } from '../core/errors.ts';

/** @throws PlatformError `PARSE_ERROR` for bytes that are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Nearly every body is ASCII, where both encodings agree and the short way is faster.
  if (isAscii(buffer)) return buffer.toString('latin1');
  if (isUtf8(buffer)) return buffer.toString('utf8');
  throw new PlatformError('PARSE_ERROR', 'The body is not valid UTF-8.');
}
