/** A job's steps as its events tell of them. */

import type { JobEvent, JobStep } from './control-plane.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export function stepsOf(events: readonly JobEvent[]): readonly JobStep[] {
  const steps = new Map<string, Mutable<JobStep>>();
  for (const event of events) {
    const { step: name, resourceId = '' } = event.data as { readonly step?: string; readonly resourceId?: string };
    if (name === undefined) continue;
    const key = `${resourceId}\n${name}`;
    if (event.type === 'step-started') steps.set(key, started(steps.get(key), name, resourceId, event));
    else ended(steps.get(key), event);
  }
  return [...steps.values()];
}

function started(known: JobStep | undefined, step: string, resourceId: string, event: JobEvent): Mutable<JobStep> {
  const attempts = Number(event.data['attempt'] ?? 1);
  return { step, resourceId, status: 'running', attempts, startedAt: known?.startedAt ?? event.at };
}

function ended(step: Mutable<JobStep> | undefined, event: JobEvent): void {
  if (step === undefined) return;
  const { outcome, error } = event.data as { readonly outcome?: string; readonly error?: JobStep['error'] };
  step.status = outcome === 'ok' ? 'succeeded' : outcome === 'retrying' ? 'retrying' : 'failed';
  step.endedAt = event.at;
  step.attempts = Number(event.data['attempt'] ?? step.attempts);
  if (error !== undefined) step.error = error;
  else delete step.error;
}
