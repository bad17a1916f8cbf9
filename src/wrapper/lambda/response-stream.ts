/** Lambda's response streaming, as its Node runtime hands it to a handler. */

import type { ResponseStream } from './streamable-http.ts';

/** The writable that the runtime gives to a streaming handler, as far as it is used here. */
export interface RuntimeStream {
  write(text: string): boolean;
  end(): void;
  setContentType?(type: string): void;
  on?(event: 'close', listener: () => void): unknown;
}

/** The global of Lambda's Node runtime. Elsewhere the AWS SDK leaves one behind that has none of this. */
interface AwsLambda {
  streamifyResponse?<Handler>(handler: Handler): Handler;
  readonly HttpResponseStream?: {
    from(stream: RuntimeStream, head: { statusCode: number; headers: Readonly<Record<string, string>> }): RuntimeStream;
  };
}

/** Media type of an answer that begins with its status and headers. */
const WITH_PRELUDE = 'application/vnd.awslambda.http-integration-response';

function runtime(): AwsLambda | undefined {
  return (globalThis as { readonly awslambda?: AwsLambda }).awslambda;
}

/** Marks a handler as streaming, where the runtime can; elsewhere it is returned as it is. */
export function streamified<Handler>(handler: Handler): Handler {
  return runtime()?.streamifyResponse?.(handler) ?? handler;
}

/** Whether the second argument of a handler is a stream and not its context. */
export function isStream(value: unknown): value is RuntimeStream {
  return typeof value === 'object' && value !== null && 'write' in value && 'end' in value;
}

/** The stream of one answer. `after` is the invocation's clock. */
export function httpStream(stream: RuntimeStream, after: ResponseStream['after']): ResponseStream {
  let body = stream;
  return {
    open(statusCode, headers) {
      const from = runtime()?.HttpResponseStream;
      if (from !== undefined) body = from.from(stream, { statusCode, headers });
      else writePrelude(stream, { statusCode, headers });
    },
    write: (text) => void body.write(text),
    end: () => body.end(),
    after,
  };
}

/** Status and headers as JSON, then eight zero bytes, then the body. */
function writePrelude(stream: RuntimeStream, head: unknown): void {
  stream.setContentType?.(WITH_PRELUDE);
  stream.write(`${JSON.stringify(head)}${'\0'.repeat(8)}`);
}
