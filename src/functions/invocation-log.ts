/** The lines that Lambda writes around an invocation's own output. */

const TAIL_BYTES = 4 * 1024;

export interface InvocationFacts {
  readonly requestId: string;
  readonly version: string;
  readonly durationMs: number;
  readonly memoryMb: number;
  /** 0 where it is not known; the line then leaves it out. */
  readonly peakMb: number;
  /** Time from the start of the process to its first question for work; absent when it was warm. */
  readonly initMs?: number | undefined;
  /** `timeout`, or the type of an error of the runtime. */
  readonly status?: string | undefined;
}

/** The last 4 KB of `START`, what the function wrote, `END` and `REPORT`, as in `X-Amz-Log-Result`. */
export function logTailOf(output: string, facts: InvocationFacts): string {
  const start = `START RequestId: ${facts.requestId} Version: ${facts.version}\n`;
  const text = `${start}${output}END RequestId: ${facts.requestId}\n${report(facts)}\n`;
  if (text.length * 3 <= TAIL_BYTES) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= TAIL_BYTES) return text;
  let from = bytes.length - TAIL_BYTES;
  // Not from the middle of a character.
  while (((bytes[from] ?? 0) & 0xc0) === 0x80) from++;
  return bytes.toString('utf8', from);
}

function report(facts: InvocationFacts): string {
  const { requestId, durationMs, memoryMb, peakMb, initMs, status } = facts;
  const parts = [
    `REPORT RequestId: ${requestId}`,
    `Duration: ${durationMs.toFixed(2)} ms`,
    `Billed Duration: ${Math.ceil(durationMs + (initMs ?? 0))} ms`,
    `Memory Size: ${memoryMb} MB`,
  ];
  if (peakMb > 0) parts.push(`Max Memory Used: ${peakMb} MB`);
  if (initMs !== undefined) parts.push(`Init Duration: ${initMs.toFixed(2)} ms`);
  if (status !== undefined) parts.push(`Status: ${status}`);
  return parts.join('\t');
}
