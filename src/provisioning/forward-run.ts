/** The execution in which a job makes, changes or removes: what it is called, and how it is given up. */

import { PlatformError } from '../core/errors.ts';
import type { WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import { runOf, workflowOf } from './job-workflows.ts';
import type { JobNames } from './job-names.ts';
import type { Job } from './job.ts';

export interface ForwardRun {
  readonly workflow: string;
  readonly name: string;
}

export function forwardRunOf(job: Job, names: JobNames): ForwardRun {
  const workflow = workflowOf(job);
  return { workflow, name: names.of(workflow, job.requestId, runOf(job)) };
}

/** Whatever it is doing is given up. A repeat, an execution that has ended, and one that never began change nothing. */
export async function stopForwardRun(job: Job, names: JobNames, engine: WorkflowEngine): Promise<void> {
  const { workflow, name } = forwardRunOf(job, names);
  try {
    await engine.stop(job.tenant, `${workflow}:${name}`, { error: 'Cancelled' });
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'NOT_FOUND') throw error;
  }
}
