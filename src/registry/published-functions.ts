/** Which functions of the configuration are tools, and under what name. */

import type { CodeIdentity } from '../core/target.ts';
import type { VersionChoice } from './canary.ts';
import { freeName, publishedName } from './discovery/naming.ts';
import { isSelected, type Discovery } from './discovery/selection.ts';
import type { EventMode } from './registration.ts';

/** A function of the configuration, as far as publishing it is concerned. */
export interface ConfiguredFunction extends VersionChoice {
  /** Lambda's name of it. */
  readonly name: string;
  /** What is invoked, where that is not the name: the ARN of a function in AWS. */
  readonly functionName?: string | undefined;
  /** What it leads to, where only whoever found it knows. */
  readonly code?: CodeIdentity | undefined;
  readonly description?: string | undefined;
  /** JSON Schema or shorthand of its arguments; absent takes any object. */
  readonly schema?: unknown;
  /** What the schema that its tag names says. */
  readonly taggedSchema?: unknown;
  /** Reads the file beside its code: a schema, or `{inputSchema, outputSchema}`. Asked whenever a catalogue is made. */
  readonly sidecar?: (() => unknown) | undefined;
  /** JSON Schema of its answer, which is then held against it. */
  readonly outputSchema?: unknown;
  /** It streams its answer. */
  readonly streaming?: boolean | undefined;
  readonly event?: EventMode | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Tenants that may see and call it; absent means all. */
  readonly tenants?: readonly string[] | undefined;
  /** It is a whole MCP server, with tools of its own, and so no tool by itself unless it is registered as one. */
  readonly isServer?: boolean | undefined;
}

export interface PublishedFunction extends ConfiguredFunction {
  readonly toolName: string;
}

/**
 * Selects and names. A name that is taken gets `_2`, `_3`, …: in the order of the configuration, so that it is the
 * same after a restart.
 */
export function publishedFunctions(
  functions: readonly ConfiguredFunction[],
  discovery: Discovery | undefined,
): readonly PublishedFunction[] {
  const taken = new Set<string>();
  return functions
    .filter((each) => each.isServer !== true && (discovery === undefined || isSelected(each, discovery)))
    .map((each) => ({ ...each, toolName: freeName(publishedName(each.name, discovery?.prefix), taken) }));
}
