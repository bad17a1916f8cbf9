/**
 * What a service says of itself without loading any cloud's code: its parameters, its name, its price. One folder for
 * each service holds this and, behind {@link ServiceDefinition.load}, the provisioner with the vendor's SDK.
 */

import type { ZodType } from 'zod';
import type { JsonValue } from '../core/ports.ts';
import type { CloudName, CloudProvisioner, ProvisionContext } from './provisioner.ts';

export type Params = Readonly<Record<string, JsonValue>>;

/** What a resource costs, from a table with a date. */
export interface PriceEstimate {
  /** US dollars for a month of 730 hours, without what depends on use. */
  readonly monthlyUsd: number;
  /** What is paid by use, in words with the unit price: `0.023 USD per GB and month stored`. */
  readonly usage: readonly string[];
  /** Day of the prices, `2026-11-01`. */
  readonly pricesOf: string;
}

export interface ServiceDefinition {
  readonly cloud: CloudName;
  /** As requests name it: `s3`. */
  readonly service: string;
  /** One sentence for the catalogue. */
  readonly title: string;
  /** Of the parameters' shape; a change that refuses what was accepted is a new one. */
  readonly version: string;
  /** A strict object; unknown keys are refused. Every field has a description. */
  readonly params: ZodType<Params>;
  /** Values that `region` may have; absent where the service has no region. */
  readonly regions?: readonly string[];
  /** Where a request means that names no region. @default the first of {@link regions} */
  readonly defaultRegion?: string;
  /** What makes an effect safe to repeat: a provider token, a look-up by tag, or the name itself. */
  readonly idempotency: 'token' | 'lookup' | 'name';
  /** Which resource is meant, unique per cloud, region and service; for parameters without a name, made of the request's id. */
  nameOf(params: Params, requestId: string): string;
  /** Names of the provisioner's steps, in order. */
  stepsOf(params: Params): readonly string[];
  estimate(params: Params, region: string | undefined): PriceEstimate;
  /** Loads the vendor's SDK with the provisioner. */
  load(): Promise<ProvisionerModule>;
}

export interface ProvisionerModule {
  /** One provisioner for one job. */
  create(context: ProvisionContext): CloudProvisioner;
}
