/** Bodies of requests to a simulated cloud, of which each and all together may have so many bytes and no more. */

import type { IncomingMessage } from 'node:http';

export interface BodyLimits {
  readonly maxBytes: number;
  /** Of all bodies that are being read. */
  readonly maxHeldBytes: number;
  /** What refuses a body that is too large, in the vendor's words. */
  readonly tooLarge: () => Error;
  /** What refuses one while there are too many. */
  readonly tooMany: () => Error;
}

/**
 * Reads to the end also what is refused: a client that still writes would not see the answer.
 *
 * @param held - Bytes of all bodies that are being read; this one's are given back when it has ended.
 */
export function readBody(message: IncomingMessage, held: { bytes: number }, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let refusal: Error | undefined;
    const release = (): void => {
      held.bytes -= size;
      size = 0;
      chunks.length = 0;
    };
    message.on('data', (chunk: Buffer) => {
      if (refusal !== undefined) return;
      size += chunk.length;
      held.bytes += chunk.length;
      if (size > limits.maxBytes) refusal = limits.tooLarge();
      else if (held.bytes > limits.maxHeldBytes) refusal = limits.tooMany();
      if (refusal === undefined) chunks.push(chunk);
      else release();
    });
    message.on('end', () => (refusal === undefined ? resolve(Buffer.concat(chunks, size)) : reject(refusal)));
    message.on('error', reject);
    message.on('close', release);
  });
}
