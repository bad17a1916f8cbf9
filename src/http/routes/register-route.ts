/** `/register` in the pipeline: reads the body and hands plain values to the routes. */

import type { Context } from '../../core/context.ts';
import { PlatformError, toPlatformError } from '../../core/errors.ts';
import type { GatewayRequest, Reply } from '../../gateway/reply.ts';
import { headerValue } from '../../protocol/era-2026.ts';
import { checkEncoding, mediaType } from '../../protocol/media.ts';
import { decodeUtf8 } from '../../protocol/utf8.ts';
import { problemReply } from '../problem.ts';
import { handleRegister } from './register.ts';
import type { RegisterDependencies } from './register.ts';

const PREFIX = '/register';

export function registerRoute(dependencies: RegisterDependencies) {
  return (request: GatewayRequest, context: Context): Promise<Reply> | undefined => {
    const { path } = request;
    if (path !== PREFIX && !path.startsWith(`${PREFIX}/`)) return undefined;
    return answer(request, context, dependencies);
  };
}

async function answer(request: GatewayRequest, context: Context, dependencies: RegisterDependencies): Promise<Reply> {
  try {
    const bodyText = request.method === 'POST' || request.method === 'PUT' ? await readText(request) : '';
    const headers = Object.fromEntries(
      Object.keys(request.headers).map((name) => [name, headerValue(request.headers, name)]),
    );
    const { method, path, query } = request;
    return await handleRegister(
      { method, path: path.slice(PREFIX.length), query: new URLSearchParams(query), headers, bodyText },
      context,
      dependencies,
    );
  } catch (thrown) {
    const error = toPlatformError(thrown);
    return problemReply(error, context.requestId, {
      error: error.code === 'INTERNAL' ? 'Internal server error' : error.message,
    });
  }
}

/** JSON is the only body there is; clients of the older server send it without a type. */
async function readText(request: GatewayRequest): Promise<string> {
  const type = mediaType(headerValue(request.headers, 'content-type'));
  if (type !== undefined && type !== 'application/json' && type !== 'text/plain') {
    throw new PlatformError('UNSUPPORTED_MEDIA_TYPE', `Content-Type ${type} is not supported. Send application/json.`);
  }
  checkEncoding(request.headers);
  return decodeUtf8(await request.readBody());
}
