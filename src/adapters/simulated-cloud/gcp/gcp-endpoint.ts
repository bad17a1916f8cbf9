/**
 * The local endpoint of Google: one loopback port for its services and for the tokens of one simulated service account.
 * Every other request carries such a token, which is the development token.
 */

import { createPublicKey, createVerify, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { startRestEndpoint } from '../rest-endpoint.ts';
import type { RestEndpoint, RestEndpointOptions } from '../rest-endpoint.ts';
import { RestError } from '../rest-routes.ts';
import type { RestReply, RestRequest, Route } from '../rest-routes.ts';
import { googleApi } from './google-api.ts';
import { pubsubRoutes } from './pubsub.ts';
import { runRoutes } from './run.ts';
import { storageRoutes } from './storage.ts';

export interface GcpEndpointOptions extends RestEndpointOptions {
  /** How long operations take that are long in Google. @default 500 */
  readonly operationMs?: number;
}

export interface GcpEndpoint extends RestEndpoint {
  /** What provisioners find in their environment: a project and a token. */
  readonly env: Readonly<Record<string, string>>;
  /** JSON text of the simulated service account's key, as Google hands out keys. Another one after each start. */
  serviceAccount(): Promise<string>;
}

const SIMULATED_PROJECT = 'zeroplane-dev';
const EMAIL = `zeroplane@${SIMULATED_PROJECT}.iam.gserviceaccount.com`;
const TOKEN_PATH = '/token';
const TOKEN_SECONDS = 3_599;
const OPERATION_MS = 500;

export async function startGcpEndpoint(options: GcpEndpointOptions): Promise<GcpEndpoint> {
  const { control, clock, operationMs = OPERATION_MS } = options;
  const { state } = control;
  const account = new ServiceAccount();
  const routes: readonly Route[] = [
    {
      service: 'oauth2',
      operation: 'token',
      method: 'POST',
      pattern: /^\/token$/,
      handle: (request) => account.answer(request, control.token),
    },
    ...storageRoutes(state, clock),
    ...pubsubRoutes(state),
    ...runRoutes({ state, clock, operationMs }),
  ];
  const endpoint = await startRestEndpoint(googleApi(routes, new Set([TOKEN_PATH])), options);
  return {
    ...endpoint,
    env: { GOOGLE_CLOUD_PROJECT: SIMULATED_PROJECT, CLOUDSDK_AUTH_ACCESS_TOKEN: control.token },
    serviceAccount: () => account.asJson(`${endpoint.url}${TOKEN_PATH}`),
  };
}

class ServiceAccount {
  #pair: Promise<{ readonly publicKey: string; readonly privateKey: string }> | undefined;

  async asJson(tokenUri: string): Promise<string> {
    const { privateKey } = await this.#keys();
    return JSON.stringify({
      type: 'service_account',
      project_id: SIMULATED_PROJECT,
      private_key_id: 'simulated',
      private_key: privateKey,
      client_email: EMAIL,
      client_id: '100000000000000000000',
      token_uri: tokenUri,
    });
  }

  /** RFC 7523: a signed assertion for a token. */
  async answer(request: RestRequest, token: string): Promise<RestReply> {
    const form = new URLSearchParams(request.body.toString('utf8'));
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      return { status: 400, body: { error: 'unsupported_grant_type', error_description: 'Invalid grant_type' } };
    if (!(await this.#isSigned(form.get('assertion') ?? '')))
      return { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } };
    return { status: 200, body: { access_token: token, expires_in: TOKEN_SECONDS, token_type: 'Bearer' } };
  }

  async #isSigned(assertion: string): Promise<boolean> {
    const [header, payload, signature] = assertion.split('.');
    if (header === undefined || payload === undefined || signature === undefined) return false;
    const { publicKey } = await this.#keys();
    const verifier = createVerify('RSA-SHA256').update(`${header}.${payload}`);
    if (!verifier.verify(createPublicKey(publicKey), signature, 'base64url')) return false;
    const claims = parse(payload);
    return claims['iss'] === EMAIL;
  }

  #keys(): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
    this.#pair ??= promisify(generateKeyPair)('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    return this.#pair;
  }
}

function parse(part: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as Readonly<Record<string, unknown>>;
  } catch {
    throw new RestError(400, 'INVALID_ARGUMENT', 'Invalid JWT');
  }
}
