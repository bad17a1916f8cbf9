/**
 * The catalogue of everything that can go wrong, and the one error class that carries it.
 *
 * Two places translate a {@link PlatformError} for the outside: `http/problem.ts` (RFC 9457) and
 * `protocol/json-rpc.ts` (JSON-RPC). `docs/reference/errors.md` has a paragraph for each code; a test
 * holds the two lists equal.
 */

interface ErrorSpec {
  /** HTTP status on REST routes, and on `/mcp` where the request ladder fixes one. */
  readonly status: number;
  /** JSON-RPC code. Codes of our own stay outside -32768…-32000, which the specification reserves. */
  readonly rpc: number;
  /** Whether the same request can succeed later without a change. */
  readonly retryable: boolean;
}

const spec = (status: number, rpc: number, retryable = false): ErrorSpec => ({ status, rpc, retryable });

export const ERRORS = {
  // the wire
  PARSE_ERROR: spec(400, -32700),
  INVALID_REQUEST: spec(400, -32600),
  METHOD_NOT_FOUND: spec(404, -32601),
  INVALID_PARAMS: spec(400, -32602),
  HEADER_MISMATCH: spec(400, -32020),
  MISSING_CLIENT_CAPABILITY: spec(400, -32021),
  UNSUPPORTED_PROTOCOL_VERSION: spec(400, -32022),
  BODY_TOO_LARGE: spec(413, -32600),
  HEADERS_TOO_LARGE: spec(431, -32600),
  REQUEST_TIMEOUT: spec(408, -32600, true),
  UNSUPPORTED_MEDIA_TYPE: spec(415, -32600),
  NOT_ACCEPTABLE: spec(406, -32600),
  METHOD_NOT_ALLOWED: spec(405, -32000),
  NOT_FOUND: spec(404, -32600),
  // who asks
  UNAUTHENTICATED: spec(401, -32600),
  FORBIDDEN: spec(403, -32600),
  FORBIDDEN_HOST: spec(403, -32600),
  FORBIDDEN_ORIGIN: spec(403, -32600),
  INSUFFICIENT_SCOPE: spec(403, -32600),
  SESSION_NOT_FOUND: spec(404, -32600),
  ISSUER_UNAVAILABLE: spec(503, 503, true),
  TOO_MANY_REQUESTS: spec(429, 429, true),
  OVERLOADED: spec(503, 503, true),
  SHUTTING_DOWN: spec(503, 503, true),
  // names and arguments
  UNKNOWN_NAME: spec(404, -32602),
  INVALID_CURSOR: spec(400, -32602),
  INVALID_REQUEST_STATE: spec(400, -32602),
  INVALID_ARGUMENTS: spec(400, -32602),
  // targets
  TARGET_UNAVAILABLE: spec(502, -32603, true),
  TARGET_TIMEOUT: spec(504, -32603, true),
  TARGET_PROTOCOL_ERROR: spec(502, -32603),
  TARGET_RESPONSE_TOO_LARGE: spec(502, -32603),
  TARGET_BREAKER_OPEN: spec(503, -32603, true),
  CLIENT_CANNOT_ANSWER: spec(400, -32603),
  CALL_CANCELLED: spec(499, -32603),
  EGRESS_REFUSED: spec(403, -32603),
  GATEWAY_LOOP: spec(508, -32603),
  // functions
  FUNCTION_NOT_FOUND: spec(404, -32603),
  FUNCTION_FAILED: spec(502, -32603),
  FUNCTION_TIMEOUT: spec(504, -32603, true),
  FUNCTION_THROTTLED: spec(429, -32603, true),
  FUNCTION_DENIED: spec(403, -32603),
  PAYLOAD_TOO_LARGE: spec(413, -32603),
  FUNCTION_EXISTS: spec(409, -32603),
  FUNCTION_CHANGED: spec(412, -32603),
  // registry
  REGISTRATION_INVALID: spec(400, -32602),
  REGISTRATION_EXISTS: spec(409, -32602),
  REGISTRATION_NOT_FOUND: spec(404, -32602),
  REGISTRATION_ID_CHANGED: spec(400, -32602),
  REGISTRATION_CHANGED: spec(412, -32602),
  // safe repeats
  IDEMPOTENCY_IN_FLIGHT: spec(409, 409, true),
  IDEMPOTENCY_MISMATCH: spec(422, 422),
  RESULT_NOT_FOUND: spec(404, -32602),
  // clouds
  CLOUD_THROTTLED: spec(503, -32603, true),
  CLOUD_UNAVAILABLE: spec(502, -32603, true),
  CLOUD_TIMEOUT: spec(504, -32603, true),
  CLOUD_REFUSED: spec(502, -32603),
  CLOUD_DENIED: spec(403, -32603),
  RESOURCE_NOT_OWNED: spec(409, -32603),
  // jobs
  PROVISION_INVALID: spec(400, -32602),
  JOB_NOT_FOUND: spec(404, -32602),
  JOB_STATE: spec(409, -32602),
  JOB_UNPROCESSABLE: spec(500, -32603),
  ROLLBACK_FAILED: spec(502, -32603),
  WORKFLOW_FAILED: spec(502, -32603),
  RESOURCE_BUSY: spec(409, -32603, true),
  RESOURCE_NOT_FOUND: spec(404, -32602),
  // workflows
  WORKFLOW_INVALID: spec(400, -32602),
  WORKFLOW_UNSUPPORTED: spec(400, -32602),
  WORKFLOW_EXISTS: spec(409, -32602),
  WORKFLOW_CHANGED: spec(409, -32603),
  EXECUTION_EXISTS: spec(409, -32602),
  EXECUTION_NOT_REDRIVABLE: spec(409, -32602),
  EXECUTION_FENCED: spec(409, -32603),
  EXECUTION_STOPPED: spec(409, -32603),
  TASK_TOKEN_INVALID: spec(400, -32602),
  TASK_TIMED_OUT: spec(409, -32602),
  JOURNAL_CORRUPT: spec(500, -32603),
  // stores
  CONDITION_FAILED: spec(409, -32603),
  ITEM_TOO_LARGE: spec(413, -32603),
  STORE_UNAVAILABLE: spec(503, -32603, true),
  STORE_FULL: spec(507, -32603, true),
  STORE_LOCKED: spec(503, -32603),
  STORE_CORRUPT: spec(500, -32603),
  STORE_VERSION: spec(500, -32603),
  // configuration and command line
  CONFIG_INVALID: spec(400, -32603),
  CONFIG_NOT_FOUND: spec(404, -32603),
  CONFIG_SYNTAX: spec(400, -32603),
  CONFIG_UNKNOWN_KEY: spec(400, -32603),
  CONFIG_MISSING_VARIABLE: spec(400, -32603),
  CONFIG_MISSING_SECRET: spec(400, -32603),
  USAGE: spec(400, -32602),
  INSTANCE_NOT_RUNNING: spec(503, -32603, true),
  // ours
  INTERNAL: spec(500, -32603),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

/** Fields that identify the thing an error is about; shown to the caller, so never a secret. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/**
 * An error with a stable code. The message says what happened, to which thing, and what to do next.
 *
 * @see docs/reference/errors.md
 */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly rpcCode: number;
  readonly retryable: boolean;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options);
    const entry: ErrorSpec = ERRORS[code];
    this.code = code;
    this.status = entry.status;
    this.rpcCode = entry.rpc;
    this.retryable = entry.retryable;
    this.details = details;
  }
}

/**
 * A JSON-RPC error that an MCP server answered, kept apart from our own errors so that its code and text
 * reach the client as that server's words. `data` is the parsed value, absent when the server sent none.
 */
export class UpstreamRpcError extends Error {
  override readonly name = 'UpstreamRpcError';
  readonly rpcCode: number;
  readonly data: unknown;

  constructor(rpcCode: number, message: string, data?: unknown) {
    super(message);
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** Wraps anything thrown into a {@link PlatformError}; what is not one already becomes `INTERNAL`. */
export function toPlatformError(thrown: unknown): PlatformError {
  if (thrown instanceof PlatformError) return thrown;
  return new PlatformError(
    'INTERNAL',
    'An internal error occurred. The log entry of this request id says more.',
    {},
    { cause: thrown },
  );
}
