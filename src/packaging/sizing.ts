/** How much memory and time a function should ask for, from what one start has shown. */

import type { Sizing } from './artifact-files.ts';
import type { Capture } from './capture.ts';

/** What Node and the handler need beside the server. */
const HANDLER_MIB = 80;
/** Room for a call that needs more than the start. */
const HEADROOM = 1.25;
const MEMORY_STEP = 128;
const LEAST_MEMORY = 256;
const MOST_MEMORY = 10_240;
/** Seconds for a call of its own. */
const CALL_SECONDS = 30;
/** A small function has a fraction of a core: its start takes longer than here. */
const SLOWER = 10;
const MOST_SECONDS = 900;

/**
 * Memory: the server's peak and 80 MiB for the handler, a quarter more, in steps of 128 from 256 to 10,240 MiB; 512
 * where the peak could not be read. Time: 30 s and ten times the measured start, in steps of ten, at most 900 s.
 */
export function sizingOf(
  captured: Pick<Capture, 'peakMib' | 'startMs'>,
  wanted: { readonly memoryMb?: number | undefined; readonly timeoutSeconds?: number | undefined },
): Sizing {
  const { peakMib, startMs } = captured;
  const memory = peakMib === undefined ? 512 : (peakMib + HANDLER_MIB) * HEADROOM;
  const stepped = Math.ceil(memory / MEMORY_STEP) * MEMORY_STEP;
  const seconds = Math.ceil((CALL_SECONDS + (startMs / 1000) * SLOWER) / 10) * 10;
  return {
    memoryMb: wanted.memoryMb ?? Math.min(MOST_MEMORY, Math.max(LEAST_MEMORY, stepped)),
    timeoutSeconds: wanted.timeoutSeconds ?? Math.min(MOST_SECONDS, seconds),
  };
}
