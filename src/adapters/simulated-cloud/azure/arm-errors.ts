/** Errors and faults in the words of Azure Resource Manager. */

import type { Asked, FaultName } from '../faults.ts';
import { RestError } from '../rest-routes.ts';
import type { RestReply } from '../rest-routes.ts';

export function armErrorReply({ status, code, message }: RestError): RestReply {
  const wait = status === 429 ? { 'retry-after': '1' } : {};
  return { status, headers: wait, body: { error: { code, message } } };
}

export function armFault(fault: FaultName, { service, operation }: Asked): RestError | undefined {
  const asked = '(a fault that was asked for)';
  switch (fault) {
    case 'throttle':
      return new RestError(429, 'TooManyRequests', `The request is being throttled ${asked}`);
    case 'server-error':
    case 'error-after-effect':
      return new RestError(500, 'InternalServerError', `Encountered internal server error ${asked}`);
    case 'already-exists':
      return service === 'Microsoft.Storage'
        ? new RestError(409, 'StorageAccountAlreadyTaken', `The storage account name is already taken ${asked}`)
        : new RestError(409, 'Conflict', `It exists already ${asked}`);
    case 'dependency-violation':
      return operation.includes('etworkSecurityGroups')
        ? new RestError(400, 'InUseNetworkSecurityGroupCannotBeDeleted', `It is in use by a subnet ${asked}`)
        : new RestError(409, 'AnotherOperationInProgress', `Another operation is in progress ${asked}`);
    default:
      return undefined;
  }
}

export function groupNotFound(group: string): RestError {
  return new RestError(404, 'ResourceGroupNotFound', `Resource group '${group}' could not be found.`);
}

export function resourceNotFound(id: string): RestError {
  return new RestError(404, 'ResourceNotFound', `The Resource '${id}' was not found.`);
}
