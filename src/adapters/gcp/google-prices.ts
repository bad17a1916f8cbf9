/**
 * List prices in US dollars, for estimates. They are Google's public prices for us-central1 (storage: also for the
 * multi-regions) as of the day below, and other regions cost up to half as much again; a bill is what counts.
 */

export const PRICES_OF = '2025-06-01';

/** Per GB and month. */
export const STORAGE_GB_MONTH: Readonly<Record<string, number>> = {
  STANDARD: 0.02,
  NEARLINE: 0.01,
  COLDLINE: 0.004,
  ARCHIVE: 0.0012,
};
/** The same where copies lie in several regions. */
export const MULTI_REGION_GB_MONTH: Readonly<Record<string, number>> = {
  STANDARD: 0.026,
  NEARLINE: 0.015,
  COLDLINE: 0.007,
  ARCHIVE: 0.0024,
};

/** Per TiB of message throughput, after 10 GiB a month. */
export const PUBSUB_TIB = 40;

/** Per vCPU and second, and per GiB and second, while requests are served. */
export const RUN_VCPU_SECOND = 0.000024;
export const RUN_GIB_SECOND = 0.0000025;
/** The same of instances that are kept waiting. */
export const RUN_IDLE_VCPU_SECOND = 0.0000025;
export const RUN_IDLE_GIB_SECOND = 0.0000025;
/** Per million requests. */
export const RUN_MILLION_REQUESTS = 0.4;

export const SECONDS_PER_MONTH = 730 * 3600;
