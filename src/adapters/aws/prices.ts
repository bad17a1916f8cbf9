/**
 * List prices of AWS in us-east-1, in US dollars, as they were on {@link PRICES_OF}. Other regions differ by up to a half.
 *
 * @see https://aws.amazon.com/pricing/
 */

import type { PriceEstimate } from '../../provisioning/service.ts';

const PRICES_OF = '2025-06-01';
const HOURS = 730;

/** Per hour, Linux, on demand. */
export const INSTANCE_HOUR = {
  't3.nano': 0.0052,
  't3.micro': 0.0104,
  't3.small': 0.0208,
  't3.medium': 0.0416,
  't3.large': 0.0832,
  't4g.nano': 0.0042,
  't4g.micro': 0.0084,
  't4g.small': 0.0168,
  't4g.medium': 0.0336,
  't4g.large': 0.0672,
  'm6i.large': 0.096,
  'm6i.xlarge': 0.192,
  'm7g.large': 0.0816,
  'm7g.xlarge': 0.1632,
  'c6i.large': 0.085,
  'c7g.large': 0.0725,
  'r6i.large': 0.126,
  'r7g.large': 0.1071,
} as const;
export type InstanceType = keyof typeof INSTANCE_HOUR;
export const INSTANCE_TYPES = Object.keys(INSTANCE_HOUR) as readonly InstanceType[];

/** A public address of version 4, used or not, per hour. */
export const ADDRESS_HOUR = 0.005;
/** A general purpose volume (gp3), per GB and month. */
export const VOLUME_MONTH = 0.08;

/** @param perHour - US dollars. */
export function perMonth(perHour: number): number {
  return Math.round(perHour * HOURS * 100) / 100;
}

export function estimated(monthlyUsd: number, usage: readonly string[]): PriceEstimate {
  const note = usage.length === 0 && monthlyUsd === 0 ? [] : ['Prices of us-east-1; other regions differ.'];
  return { monthlyUsd: Math.round(monthlyUsd * 100) / 100, usage: [...usage, ...note], pricesOf: PRICES_OF };
}
