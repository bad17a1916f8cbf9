/** How each target does, for the status page. */

import type { Target, TargetStatus } from '../core/target.ts';
import type { Catalogue } from '../gateway/catalogue.ts';
import type { TargetReport } from '../http/routes/instance.ts';
import type { DefinitionRecorder } from '../registry/definition-recorder.ts';

export interface ReportSources {
  readonly catalogue: Catalogue;
  readonly recorder: DefinitionRecorder;
}

export function reportTargets(targets: readonly Target[], sources: ReportSources, tenant: string): TargetReport[] {
  return targets.map((target) => report(target, sources, tenant));
}

function report(target: Target, { catalogue, recorder }: ReportSources, tenant: string): TargetReport {
  const status = target.status();
  const slot = catalogue.status(target, tenant);
  const count = (...kinds: string[]): number =>
    slot.listing?.definitions.filter((definition) => kinds.includes(definition.kind)).length ?? 0;
  const reason = slot.error?.message ?? status.reason;
  const protocolVersion = status.protocolVersion ?? slot.listing?.protocolVersion;
  return {
    id: target.id,
    kind: target.kind,
    label: target.label,
    state: stateOf(status, slot),
    ...(reason === undefined ? {} : { reason }),
    tools: count('tool'),
    prompts: count('prompt'),
    resources: count('resource', 'template'),
    ...(slot.listedAtMs === undefined ? {} : { listedAt: new Date(slot.listedAtMs).toISOString() }),
    ...(status.restarts === undefined ? {} : { restarts: status.restarts }),
    ...(status.children === undefined ? {} : { children: status.children }),
    ...(protocolVersion === undefined ? {} : { protocolVersion }),
    skipped: slot.listing?.skipped ?? [],
    changes: recorder.changes(target.perTenant === true ? tenant : '*', target.id),
  };
}

/** A target that listed before and cannot now still serves from its last good list. */
function stateOf(status: TargetStatus, slot: ReturnType<Catalogue['status']>): TargetStatus['state'] {
  if (slot.error !== undefined) return slot.listing === undefined ? 'down' : 'degraded';
  if (slot.listing === undefined) return 'starting';
  return status.state === 'starting' ? 'ready' : status.state;
}
