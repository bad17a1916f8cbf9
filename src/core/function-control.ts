/**
 * Lambda's control plane as the local endpoint serves it: configurations, versions, aliases and tags. Functions of the
 * operator's configuration execute; those created through it are records only.
 */

export interface FunctionRecord {
  readonly name: string;
  /** With the version's number for a published version. */
  readonly arn: string;
  /** `$LATEST` or a number from `1`. */
  readonly version: string;
  readonly runtime: string;
  readonly handler: string;
  readonly description: string;
  /** As given; a placeholder for functions of the configuration. */
  readonly role: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Base64 of the SHA-256 of the code: of every file's path and bytes, in order. */
  readonly codeSha256: string;
  readonly codeSize: number;
  /** ISO 8601 with milliseconds and `+0000`, as Lambda writes it. */
  readonly lastModified: string;
  /** Changes with every change. */
  readonly revisionId: string;
  readonly architectures: readonly string[];
  /** `Zip` or `Image`. */
  readonly packageType: string;
  readonly layers: readonly string[];
  /** Most invocations at once. */
  readonly concurrency: number;
  /** Whether it runs here: only functions of the operator's configuration do. */
  readonly executes: boolean;
}

export interface FunctionAlias {
  readonly name: string;
  readonly arn: string;
  readonly functionVersion: string;
  readonly description: string;
  /** Share of invocations, above 0 and up to 1, that go to another version. At most one. */
  readonly weights: Readonly<Record<string, number>>;
  readonly revisionId: string;
}

/** What a change may set; absent members stay. */
export interface FunctionChanges {
  readonly runtime?: string;
  readonly handler?: string;
  readonly description?: string;
  readonly role?: string;
  /** 128 to 10,240. */
  readonly memoryMb?: number;
  /** 1 to 900. */
  readonly timeoutSeconds?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly layers?: readonly string[];
  /** The uploaded archive of a function that was created here, kept for its digest and size; it never executes. */
  readonly zip?: Uint8Array;
}

export interface NewFunction extends FunctionChanges {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly architectures?: readonly string[];
  readonly packageType?: string;
}

export interface AliasChanges {
  readonly functionVersion?: string;
  readonly description?: string;
  readonly weights?: Readonly<Record<string, number>>;
}

/**
 * Every method resolves after its change is stored.
 *
 * @throws PlatformError `FUNCTION_NOT_FOUND` for a name, version or alias that does not exist, `FUNCTION_EXISTS` for one that
 *   does already, `FUNCTION_CHANGED` for a `revisionId` that is not the current one, `INVALID_ARGUMENTS` for a value out of its bounds.
 */
export interface FunctionControl {
  /** Newest configuration of every function, by name. */
  list(): Promise<readonly FunctionRecord[]>;
  /** @param qualifier - A version or an alias. @default `$LATEST` */
  get(name: string, qualifier?: string): Promise<FunctionRecord>;
  create(input: NewFunction): Promise<FunctionRecord>;
  update(name: string, changes: FunctionChanges, revisionId?: string): Promise<FunctionRecord>;
  /** A function of the configuration cannot be deleted here: `INVALID_ARGUMENTS` names the file to edit. */
  delete(name: string, qualifier?: string): Promise<void>;
  /** Freezes code and configuration under the next number; unchanged since the last one, that one is returned. */
  publish(
    name: string,
    options?: { readonly description?: string; readonly revisionId?: string },
  ): Promise<FunctionRecord>;
  versions(name: string): Promise<readonly FunctionRecord[]>;
  createAlias(
    name: string,
    alias: string,
    changes: AliasChanges & { readonly functionVersion: string },
  ): Promise<FunctionAlias>;
  updateAlias(name: string, alias: string, changes: AliasChanges, revisionId?: string): Promise<FunctionAlias>;
  deleteAlias(name: string, alias: string): Promise<void>;
  alias(name: string, alias: string): Promise<FunctionAlias>;
  aliases(name: string): Promise<readonly FunctionAlias[]>;
  tag(name: string, tags: Readonly<Record<string, string>>): Promise<void>;
  untag(name: string, keys: readonly string[]): Promise<void>;
  /** Calls back after each change, with the function's name. */
  onChange(listener: (name: string) => void): () => void;
}
