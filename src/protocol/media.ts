/** What a body may be: JSON in UTF-8, as it is. */

import { PlatformError } from '../core/errors.ts';
import type { HeaderMap } from './era-2026.ts';
import { headerValue } from './era-2026.ts';

const JSON_TYPE = 'application/json';

function unsupported(what: string): PlatformError {
  return new PlatformError('UNSUPPORTED_MEDIA_TYPE', what);
}

/** @throws PlatformError `UNSUPPORTED_MEDIA_TYPE` for another type than JSON, another charset or an encoding. */
export function checkJson(headers: HeaderMap): void {
  const type = headerValue(headers, 'content-type');
  if (type !== JSON_TYPE && mediaType(type) !== JSON_TYPE)
    throw unsupported(`Content-Type ${type?.slice(0, 100) ?? '(absent)'} is not supported. Send ${JSON_TYPE}.`);
  checkEncoding(headers);
}

/** The type without its parameters, in lower case. */
export function mediaType(type: string | undefined): string | undefined {
  return type?.split(';', 1)[0]?.trim().toLowerCase();
}

/** For routes whose clients name no type. @throws PlatformError `UNSUPPORTED_MEDIA_TYPE` for a charset or an encoding. */
export function checkEncoding(headers: HeaderMap): void {
  const type = headerValue(headers, 'content-type');
  const charset = type === undefined || type === JSON_TYPE ? undefined : charsetOf(type);
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')
    throw unsupported(`The charset ${charset.slice(0, 40)} is not supported. Send UTF-8.`);
  const encoding = headerValue(headers, 'content-encoding');
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity')
    throw unsupported(`Content-Encoding ${encoding.slice(0, 40)} is not supported. Send the body as it is.`);
}

function charsetOf(type: string): string | undefined {
  const [, ...parameters] = type.toLowerCase().split(';');
  const charset = parameters.map((part) => part.trim()).find((parameter) => parameter.startsWith('charset='));
  return charset?.slice('charset='.length).replaceAll('"', '');
}
