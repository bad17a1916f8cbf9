/**
 * The outside as the features see it: small interfaces, each with one contract suite in `tests/contract`.
 * Domain ports whose behaviour differs per kind of target live in `core/target.ts`.
 */

import type { RequestContext } from './context.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** How a backend is labelled in the banner, the API and the console. */
export type BackendLabel = 'embedded' | 'simulated' | 'live';

export interface Clock {
  /** Milliseconds since 1970, for display and stored times. May jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary origin, for waiting and leases. Never jumps. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels. Does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

export interface IdSource {
  /** A random (version 4) UUID from a cryptographic source. */
  uuid(): string;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One JSON line per record on stderr; control characters escaped, fields capped, known secrets masked. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** A logger that adds `fields` to each of its records. */
  with(fields: Readonly<Record<string, unknown>>): Logger;
}

/** Resolves `${secret:NAME}`. `undefined` when no provider knows the name. */
export interface SecretSource {
  get(name: string): Promise<string | undefined>;
}

// ---------------------------------------------------------------------------------------------- tables

/** A stored record. Attribute names are the table's own; values are JSON. At most 400 KB serialised. */
export type Item = { readonly [attribute: string]: JsonValue };

export interface IndexSpec {
  readonly name: string;
  /** Of an index across tenants, an attribute that is the partition key of nothing else in the table. */
  readonly partitionKey: string;
  readonly sortKey?: string;
  /**
   * Its partition values carry no tenant, so one query meets the items of all of them. Only `systemStore()` may ask
   * it, and reads whole stored items: keep the tenant in an ordinary attribute to know whose they are. An index
   * keeps its kind for life; another kind needs another name and attribute.
   */
  readonly acrossTenants?: true;
}

/**
 * Only what DynamoDB can do: no joins, no scans. Key attributes are strings. An index is eventually
 * consistent on AWS. `expiresAt` (epoch seconds, number) on an item hides it from reads once it has passed.
 */
export interface TableSpec {
  readonly name: string;
  readonly partitionKey: string;
  readonly sortKey?: string;
  readonly indexes?: readonly IndexSpec[];
}

/** All given parts must hold for the item as it is stored (an expired item counts as absent). */
export interface Condition {
  readonly exists?: boolean;
  /** Attributes that must equal these values. Implies that the item exists. */
  readonly equals?: Item;
}

export type Key = { readonly [attribute: string]: string };

export interface Query {
  /** Name of an index; absent for the table itself. */
  readonly index?: string;
  /** Value of the partition key. */
  readonly partition: string;
  /** Sort keys that begin with this. */
  readonly prefix?: string;
  /** Sort keys from this one on, inclusive. */
  readonly from?: string;
  /** Sort keys up to this one, inclusive. */
  readonly to?: string;
  readonly descending?: boolean;
  /** At most this many items, 1 to 1,000. @default 1000 */
  readonly limit?: number;
  /** `cursor` of the page before. */
  readonly cursor?: string;
}

export interface Page {
  readonly items: readonly Item[];
  readonly cursor?: string;
}

export interface Table {
  readonly spec: TableSpec;
  get(key: Key): Promise<Item | undefined>;
  /** @throws PlatformError `CONDITION_FAILED`, `ITEM_TOO_LARGE`, `STORE_FULL`, `STORE_UNAVAILABLE`. */
  put(item: Item, condition?: Condition): Promise<void>;
  delete(key: Key, condition?: Condition): Promise<void>;
  query(query: Query): Promise<Page>;
}

export type Write =
  | { readonly put: Item; readonly table: TableSpec; readonly condition?: Condition }
  | { readonly delete: Key; readonly table: TableSpec; readonly condition?: Condition };

// ---------------------------------------------------------------------------------- queues, blobs, changes

export interface QueueMessage {
  readonly id: string;
  readonly body: JsonValue;
  /** Which delivery this is, from 1. */
  readonly receives: number;
  /** Names this delivery; a later delivery of the same message has another. */
  readonly receipt: string;
}

export interface DeadLetter {
  readonly id: string;
  readonly body: JsonValue;
  readonly receives: number;
  readonly reason: string;
  readonly failedAt: string;
}

/** At-least-once. A message whose visibility ends is delivered again; after `maxReceives` it is a dead letter. */
export interface Queue {
  send(body: JsonValue, options?: { readonly delayMs?: number; readonly dedupeId?: string }): Promise<string>;
  receive(options: { readonly max: number; readonly visibilityMs: number }): Promise<readonly QueueMessage[]>;
  /** @returns false when the receipt is no longer the current one: somebody else has the message. */
  ack(receipt: string): Promise<boolean>;
  extend(receipt: string, visibilityMs: number): Promise<boolean>;
  /** Gives a message back at once or after `delayMs`, remembering why. */
  release(receipt: string, options: { readonly delayMs?: number; readonly reason: string }): Promise<boolean>;
  deadLetters(): Promise<readonly DeadLetter[]>;
  /** Puts a dead letter back at the end of the queue with a fresh count. */
  redrive(id: string): Promise<boolean>;
}

export interface QueueOptions {
  /** Deliveries before a message becomes a dead letter. @default 5 */
  readonly maxReceives?: number;
}

export interface BlobInfo {
  readonly key: string;
  readonly size: number;
  readonly contentType: string;
  /** Hex SHA-256 of the bytes. */
  readonly digest: string;
}

export interface BlobStore {
  put(
    key: string,
    bytes: Uint8Array,
    options: { readonly contentType: string; readonly expiresAtMs?: number },
  ): Promise<BlobInfo>;
  /** A slice of the bytes from `offset` on; `undefined` when the key is absent or expired. */
  get(key: string, range?: { readonly offset: number; readonly length: number }): Promise<Uint8Array | undefined>;
  head(key: string): Promise<BlobInfo | undefined>;
  delete(key: string): Promise<void>;
}

export interface Change {
  /** Grows with every change of the tenant. */
  readonly sequence: number;
  readonly topic: string;
  readonly detail: JsonValue;
}

/** A tenant's ordered list of changes, kept for at least five minutes. */
export interface ChangeFeed {
  publish(topic: string, detail?: JsonValue): Promise<number>;
  /** Changes after `sequence`, oldest first. */
  read(after: number, limit?: number): Promise<readonly Change[]>;
  /** The newest sequence, 0 when there is none. */
  head(): Promise<number>;
  /** Calls back for each change published from now on, within a second, until the returned function is called. */
  watch(listener: (change: Change) => void): () => void;
}

/** Everything one tenant has stored. Partition values are prefixed with the tenant and come back without. */
export interface TenantStore {
  readonly tenant: string;
  table(spec: TableSpec): Table;
  /** All writes or none, at most 100, across tables. @throws PlatformError `CONDITION_FAILED` with `details.index`. */
  transact(writes: readonly Write[]): Promise<void>;
  queue(name: string, options?: QueueOptions): Queue;
  readonly blobs: BlobStore;
  readonly changes: ChangeFeed;
}

/** The store of an instance: `store(tenant)` is the only way for features to read or write. */
export interface StoreRoot {
  readonly label: BackendLabel;
  store(tenant: string): TenantStore;
  /** Across tenants, for reaper, timers and sweepers alone. Partition values are the stored ones. */
  systemStore(): TenantStore;
  /** Throws when the store cannot acknowledge writes; used by `/readyz`. */
  check(): Promise<void>;
  close(): Promise<void>;
}

// -------------------------------------------------------------------------------------------- functions

export interface FunctionInfo {
  readonly name: string;
  readonly arn: string;
  readonly runtime: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
}

export interface Invocation {
  /** Function name or ARN, with an optional qualifier. */
  readonly functionName: string;
  /** JSON text, at most 6 MB. */
  readonly payload: string;
  /** `clientContext.custom` of the Lambda context; values are strings. */
  readonly clientContext?: Readonly<Record<string, string>>;
  /** The whole client context as JSON text, as an AWS client sent it; wins over `clientContext`. */
  readonly rawClientContext?: string;
}

export interface InvocationResult {
  /** What the handler returned, as JSON text; of an error the `{errorType, errorMessage, stackTrace?}` object. */
  readonly payload: string;
  /** Present when the function failed; `Unhandled` or `Handled`, as in `X-Amz-Function-Error`. */
  readonly functionError?: string;
  /** `$LATEST` or a version's number: what an alias led to. */
  readonly executedVersion: string;
  readonly durationMs: number;
  readonly coldStart: boolean;
  /** The last 4 KB of what the invocation wrote. */
  readonly logTail?: string;
}

/** How a streamed invocation ended. */
export interface StreamEnding {
  /** As in {@link InvocationResult}; a function may fail in the middle of its stream. */
  readonly functionError?: string;
  /** JSON text of the error, when there is one. */
  readonly errorPayload?: string;
  readonly logTail?: string;
}

/** An invocation whose answer arrives piece by piece, at most 200 MB. */
export interface StreamedInvocation {
  /** `application/vnd.awslambda.http-integration-response` for an HTTP answer with its prelude. */
  readonly contentType: string;
  readonly executedVersion: string;
  /** Ends early when the function fails; ending the iteration early lets the rest go. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Settles once the body has ended; never rejects. */
  readonly ending: Promise<StreamEnding>;
}

export interface FunctionInvoker {
  readonly label: BackendLabel;
  /** @throws PlatformError `FUNCTION_NOT_FOUND`, `FUNCTION_THROTTLED`, `FUNCTION_TIMEOUT`, `PAYLOAD_TOO_LARGE`. */
  invoke(invocation: Invocation, context: RequestContext): Promise<InvocationResult>;
  /** The same, handing on each piece as the function writes it. @throws PlatformError as {@link invoke}. */
  invokeStream?(invocation: Invocation, context: RequestContext): Promise<StreamedInvocation>;
  list(): readonly FunctionInfo[];
}

/** What a directory knows of one function, as it is now. */
export interface DirectoryEntry extends FunctionInfo {
  /** `$LATEST`, or a number. */
  readonly version: string;
  /** Base64 of the SHA-256 of the code; changes with it. */
  readonly codeSha256: string;
}

/** Which functions there are, here or in a cloud account, with the caller's own rights. */
export interface FunctionDirectory {
  readonly label: BackendLabel;
  /**
   * Every function with its tags, page by page to the end. Throttling is waited out.
   *
   * @throws PlatformError `FUNCTION_THROTTLED`, `FUNCTION_DENIED` naming the missing right, `TARGET_UNAVAILABLE`.
   */
  list(): Promise<readonly DirectoryEntry[]>;
  /**
   * Text of the newest version of a schema, by `arn:aws:schemas:<region>:<account>:schema/<registry>/<name>`.
   *
   * @throws PlatformError `INVALID_ARGUMENTS` for another ARN, `NOT_FOUND` for an unknown one, and as {@link list}.
   */
  schema(arn: string): Promise<string>;
  /** Whether the caller may invoke it, asked without invoking it. @throws PlatformError as {@link list}. */
  mayInvoke(functionName: string): Promise<boolean>;
  /** Calls back after changes, where the directory hears of them; elsewhere it is asked again from time to time. */
  onChange?(listener: () => void): () => void;
}

// ----------------------------------------------------------------------------------------------- events

/** What happened, for audit, traces, metrics and cost. `noun-action`. */
export interface CallEvent {
  readonly type: 'call-started' | 'call-ended';
  readonly requestId: string;
  readonly tenant: string;
  readonly principal: string;
  readonly method: string;
  readonly target: string;
  readonly name: string;
  readonly atMs: number;
  /** On `call-ended` only. */
  readonly durationMs?: number | undefined;
  readonly outcome?: 'ok' | 'tool-error' | 'error' | 'input-required' | 'cancelled' | 'denied' | undefined;
  readonly errorCode?: string | undefined;
  /** W3C trace and our own span in it, when the caller brought a trace. */
  readonly traceparent?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** A canary failed too often: everybody gets the stable version again. */
export interface CanaryEvent {
  readonly type: 'canary-switched-off';
  /** Owner of the tool, `*` for one that all tenants share. */
  readonly tenant: string;
  readonly tool: string;
  /** Function name or ARN with the version or alias that is no longer called. */
  readonly candidate: string;
  /** Of the calls that were judged. */
  readonly errorPercent: number;
  readonly calls: number;
  readonly atMs: number;
}

export type PlatformEvent = CallEvent | CanaryEvent;

/** One port for listeners; `emit` returns at once and a failing listener disturbs nobody. */
export interface EventPort {
  /** Whether anybody listens; without listeners an event need not be made. */
  readonly isHeard: boolean;
  emit(event: PlatformEvent): void;
  subscribe(listener: (event: PlatformEvent) => void): () => void;
}

// ----------------------------------------------------------------------------------------------- egress

export interface EgressRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** `operator`: the URL stands in the operator's configuration and may be private. `caller`: it came by HTTP. */
  readonly origin: 'operator' | 'caller';
  /** Milliseconds until the response headers must have arrived. `Infinity` leaves it to the caller. */
  readonly timeoutMs: number;
  /** PEM of the one authority that may have signed the server's certificate, instead of the system's. */
  readonly ca?: string | undefined;
}

export interface EgressResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as it arrives. Ending the iteration early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface EgressTextOptions {
  readonly maxBytes: number;
  /** Given a function that ends the request at once, at any time. Cheaper than a signal per request. */
  readonly onStart?: ((cancel: () => void) => void) | undefined;
}

/** A whole body as text, or the open stream when the answer is an event stream. */
export interface EgressTextResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The complete body, decoded as UTF-8; absent when the answer is `text/event-stream`. */
  readonly text?: string;
  /** Present only when the answer is `text/event-stream`. */
  readonly body?: AsyncIterable<Uint8Array>;
  /** Present with `body`: ends the connection at once, even while a read is waiting. */
  readonly close?: () => void;
}

/**
 * The one way out: scheme allow-list, name resolved once, every address checked, connection made to the
 * checked address, no redirects, no proxy from the environment.
 */
export interface Egress {
  /** @throws PlatformError `EGRESS_REFUSED`, `TARGET_UNAVAILABLE`, `TARGET_TIMEOUT`. */
  request(request: EgressRequest): Promise<EgressResponse>;
  /**
   * The short way for small answers, without a stream in between. `timeoutMs` covers the complete text, or the
   * headers when the answer is an event stream.
   *
   * @throws PlatformError as {@link request}, and `TARGET_RESPONSE_TOO_LARGE`, `TARGET_PROTOCOL_ERROR` (not UTF-8).
   */
  requestText?(request: EgressRequest, options: EgressTextOptions): Promise<EgressTextResponse>;
}
