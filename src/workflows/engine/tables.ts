/** What the engine keeps beside the journal. */

import type { TableSpec } from '../../core/ports.ts';

export const WORKFLOWS: TableSpec = {
  name: 'Workflows',
  partitionKey: 'name',
  sortKey: 'version',
  indexes: [{ name: 'newest', partitionKey: 'newestOf', sortKey: 'name' }],
};

/** `startedAt` is milliseconds since 1970 in 15 digits and the execution's id, so that no two are equal. */
export const EXECUTIONS: TableSpec = {
  name: 'WorkflowExecutions',
  partitionKey: 'id',
  indexes: [
    { name: 'all', partitionKey: 'scope', sortKey: 'startedAt' },
    { name: 'byStatus', partitionKey: 'status', sortKey: 'startedAt' },
    { name: 'byWorkflow', partitionKey: 'workflow', sortKey: 'startedAt' },
    { name: 'byWorkflowStatus', partitionKey: 'workflowStatus', sortKey: 'startedAt' },
  ],
};

/** Children of an execution, each with the operation that waits for it and how the child is. */
export const CHILDREN: TableSpec = { name: 'WorkflowChildren', partitionKey: 'execution', sortKey: 'child' };

/** Inputs and outputs that are too large to lie in the execution's own item. */
export const VALUES: TableSpec = { name: 'WorkflowValues', partitionKey: 'execution', sortKey: 'row' };
