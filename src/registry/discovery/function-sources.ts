/**
 * Where the functions behind tools come from: the configuration, as it runs here now, and an AWS account. Puts them into
 * one list, hands it on after each change, and knows which of two invokers a function belongs to.
 */

import type { Clock, FunctionDirectory, FunctionInvoker, Logger } from '../../core/ports.ts';
import type { ConfiguredFunction } from '../published-functions.ts';
import { FunctionDiscovery, type DiscoveryStatus } from './function-discovery.ts';
import { RoutedInvoker } from './routed-invoker.ts';
import { asksForTags, isNamed, isSelected, type Discovery } from './selection.ts';

/** `discover` of the configuration. */
export interface DiscoverOptions extends Discovery {
  /** Key of the tag that holds the ARN of a schema. */
  readonly schemaTag?: string | undefined;
  readonly rescanSeconds?: number | undefined;
  /** The pair that lists and invokes stands for all functions. */
  readonly generic?: boolean | undefined;
}

export interface AwsFunctions {
  readonly directory: FunctionDirectory;
  readonly invoker: FunctionInvoker;
  /** ARNs of other accounts lead there, also those that were only registered. */
  readonly isLive: boolean;
}

export interface FunctionSourcesParts {
  readonly local: { readonly directory: FunctionDirectory; readonly invoker: FunctionInvoker };
  readonly aws?: AwsFunctions | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly configured: readonly ConfiguredFunction[];
  readonly discover?: DiscoverOptions | undefined;
}

export interface SourceReport {
  readonly label: FunctionDirectory['label'];
  readonly status: DiscoveryStatus;
  readonly functions: number;
}

export class FunctionSources {
  readonly invoker: FunctionInvoker;
  /** Who is asked for schemas by ARN: AWS where it is asked at all, else this machine. */
  readonly schemas: Pick<FunctionDirectory, 'schema'>;
  readonly #parts: FunctionSourcesParts;
  readonly #local: FunctionDiscovery;
  readonly #aws: FunctionDiscovery | undefined;
  readonly #listeners = new Set<() => void>();
  #configured: readonly ConfiguredFunction[];
  #discover: DiscoverOptions | undefined;

  constructor(parts: FunctionSourcesParts) {
    const { local, aws, clock, log } = parts;
    this.#parts = parts;
    this.#configured = parts.configured;
    this.#discover = parts.discover;
    this.schemas = aws?.directory ?? local.directory;
    const shared = { clock, log, onFound: () => this.#tell() };
    // Everything that is here is looked at, selected or not: a tag that is gone must deselect.
    this.#local = new FunctionDiscovery({ ...shared, directory: local.directory }, {});
    if (aws !== undefined)
      this.#aws = new FunctionDiscovery({ ...shared, directory: aws.directory }, this.#awsSettings());
    this.invoker =
      aws === undefined
        ? local.invoker
        : new RoutedInvoker({
            local: local.invoker,
            aws: aws.invoker,
            isLive: aws.isLive,
            isDiscovered: (arn) => this.#aws?.found.some((each) => each.arn === arn) === true,
          });
  }

  /** Every function that may be published, before the rule is asked. */
  get functions(): readonly ConfiguredFunction[] {
    const here = new Map(this.#local.found.map((each) => [each.name, each]));
    const configured = this.#configured.map((each) => {
      const now = here.get(each.name);
      return now === undefined ? each : { ...each, tags: now.tags, description: now.description || each.description };
    });
    return [...configured, ...this.#awsFunctions()];
  }

  /** What selects among {@link functions} for tools of their own. */
  get rule(): DiscoverOptions | undefined {
    return this.#discover?.generic === true ? { list: [] } : this.#discover;
  }

  /** Whether the pair that lists and invokes is published: because it was asked for, or because nothing else could be found. */
  get isGeneric(): boolean {
    return this.#discover?.generic === true || this.#aws?.status.state === 'failed';
  }

  /** Of AWS; `undefined` where it is not asked. */
  get aws(): SourceReport | undefined {
    if (this.#aws === undefined || this.#parts.aws === undefined || this.#discover === undefined) return undefined;
    return { label: this.#parts.aws.directory.label, status: this.#aws.status, functions: this.#aws.found.length };
  }

  /** The first look; resolves when every source has answered or failed. */
  async start(): Promise<void> {
    await Promise.all([this.#local.scan(), this.#asksAws() ? this.#aws?.scan() : undefined]);
  }

  /** Takes a reloaded configuration. */
  async configure(configured: readonly ConfiguredFunction[], discover: DiscoverOptions | undefined): Promise<void> {
    this.#configured = configured;
    this.#discover = discover;
    this.#tell();
    if (this.#asksAws()) await this.#aws?.use(this.#awsSettings());
  }

  /** What a tenant may list and invoke by the pair. Looks once more where nothing could be found before. */
  async selected(tenant: string): Promise<readonly ConfiguredFunction[]> {
    if (this.#aws?.status.state === 'failed') await this.#aws.scan();
    return this.functions.filter((each) => this.#serves(each, tenant));
  }

  /**
   * A function that the pair may invoke. While AWS cannot be listed, names that the rule admits are tried there: whoever
   * may invoke a function need not be allowed to list all of them.
   */
  find(name: string, tenant: string): ConfiguredFunction | undefined {
    const known = this.functions.find((each) => each.name === name);
    if (known !== undefined) return this.#serves(known, tenant) ? known : undefined;
    const rule = this.#discover;
    if (this.#aws?.status.state !== 'failed' || rule === undefined || asksForTags(rule)) return undefined;
    return isNamed(name, rule) && /^[A-Za-z0-9_-]{1,64}$/.test(name) ? { name } : undefined;
  }

  /** Calls back after each change. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#local.close();
    this.#aws?.close();
    this.#listeners.clear();
  }

  #serves(each: ConfiguredFunction, tenant: string): boolean {
    const isTheirs = each.tenants === undefined || each.tenants.includes(tenant);
    return isTheirs && (this.#discover === undefined || isSelected(each, this.#discover));
  }

  /** An account may have thousands of functions: they become tools only where a rule says which. */
  #asksAws(): boolean {
    return this.#discover !== undefined;
  }

  #awsSettings(): ConstructorParameters<typeof FunctionDiscovery>[1] {
    return { rule: this.#discover, rescanSeconds: this.#discover?.rescanSeconds, checksRights: true };
  }

  #awsFunctions(): readonly ConfiguredFunction[] {
    if (!this.#asksAws()) return [];
    return (this.#aws?.found ?? []).map(({ name, arn, description, tags, version, codeSha256 }) => ({
      name,
      functionName: arn,
      code: { version, sha256: codeSha256 },
      description,
      tags,
    }));
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
