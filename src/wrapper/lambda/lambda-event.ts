/** What Lambda hands to a handler, as far as the wrapper reads it. Structural, so that any library's types fit. */

/** The second argument of a handler. Every member may be missing when a program calls the handler itself. */
export interface LambdaContext {
  readonly awsRequestId?: string;
  readonly functionName?: string;
  /** `{custom: {…}}` of an Invoke; some gateways spell it `Custom`. */
  readonly clientContext?: unknown;
  /** Tenant of a function in tenant isolation mode. */
  readonly tenantId?: string;
  /** Milliseconds until Lambda ends the invocation. */
  getRemainingTimeInMillis?(): number;
}

/** What a program must say to start a stdio server. */
export interface ServerParameters {
  /** Program to run, found on `PATH`; never a shell line. */
  readonly command: string;
  readonly args?: readonly string[] | undefined;
  /**
   * The server's own variables; nothing else of the function's environment but what finds programs reaches it. Values
   * may name secrets: `${secretsmanager:ID}`, `${secretsmanager:ID#KEY}`, `${ssm:NAME}`.
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
}

/** A JSON-RPC message as it stands in an event or an answer. */
export type JsonRpcObject = Readonly<Record<string, unknown>>;
