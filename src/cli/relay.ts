/**
 * Requests of a stdio client, sent on to the running instance. Each finds the instance anew when the one before is gone,
 * so that a restart of the gateway costs the client the requests of that moment and nothing else.
 */

import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../core/ports.ts';
import type { Handle } from '../entry/stdio-host.ts';
import type { Reply, Sink } from '../gateway/reply.ts';
import type { HttpRequest } from '../http/pipeline.ts';
import type { InstanceFile } from './instance.ts';

/** Finds the running instance; `undefined` while none runs. */
export type FindInstance = () => Promise<InstanceFile | undefined>;

const GONE = 'The gateway behind this connection is not running. Start it again with: zeroplane dev';
/** Answers larger than this are not held; the gateway sends at most 5 MiB and pages of 1 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** While this much waits for the client nothing more is read for it, so that the gateway sees how slow it is. */
const MAX_UNWRITTEN_BYTES = 1024 * 1024;
const LOOK_AGAIN_MS = 20;

export function relayTo(first: InstanceFile, find: FindInstance, clock: Clock): Handle {
  let instance = first;
  return async (request) => {
    try {
      return await exchange(instance, request, clock);
    } catch (error) {
      const found = hasConnected(error) ? undefined : await find();
      if (found === undefined || found.url === instance.url) return refusal();
      instance = found;
      return exchange(instance, request, clock).catch(refusal);
    }
  };
}

/** Only a connection that was never made lets a request be sent again. */
function hasConnected(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED';
}

function refusal(): Reply {
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32603, message: GONE } });
  return { status: 503, headers: { 'content-type': 'application/json' }, body };
}

async function exchange({ url, token }: InstanceFile, request: HttpRequest, clock: Clock): Promise<Reply> {
  const body = request.method === 'GET' ? undefined : await request.readBody();
  return new Promise((resolve, reject) => {
    const { host: _, ...headers } = request.headers;
    const outgoing = httpRequest(url + request.path, {
      method: request.method,
      headers: {
        ...(headers as Record<string, string>),
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      },
    });
    request.onDisconnect(() => outgoing.destroy());
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      if (response.headers['content-type']?.startsWith('text/event-stream') === true)
        resolve(streamOf(response, clock));
      else whole(response).then(resolve, reject);
    });
    outgoing.end(body);
  });
}

function headersOf(response: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(response.headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
}

function streamOf(response: IncomingMessage, clock: Clock): Reply {
  const open = (sink: Sink): void => {
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      sink.write(text);
      if (sink.buffered > MAX_UNWRITTEN_BYTES) rest(response, sink, clock);
    });
    response.once('close', () => sink.end());
    response.on('error', () => sink.end());
    sink.onClose(() => response.destroy());
  };
  return { status: response.statusCode ?? 200, headers: headersOf(response), body: { open } };
}

function rest(response: IncomingMessage, sink: Sink, clock: Clock): void {
  response.pause();
  clock.after(LOOK_AGAIN_MS, () => {
    if (sink.buffered > MAX_UNWRITTEN_BYTES && !response.destroyed) rest(response, sink, clock);
    else response.resume();
  });
}

async function whole(response: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('The answer is too large.');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: response.statusCode ?? 200, headers: headersOf(response), body: text };
}
