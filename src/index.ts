/** The public names of the package: what an embedder of the gateway needs, and nothing that may change silently. */

export { PlatformError, UpstreamRpcError } from './core/errors.ts';
export type { ErrorCode } from './core/errors.ts';
export type { Principal, RequestContext, Role } from './core/context.ts';
export type {
  Target,
  TargetCall,
  TargetListing,
  TargetResult,
  TargetStatus,
  Definition,
  Exchange,
} from './core/target.ts';
export { loadConfig } from './config/load.ts';
export type { LoadedConfig } from './config/load.ts';
export { startLocal } from './entry/local.ts';
export type { LocalInstance, StartOptions } from './entry/local.ts';
