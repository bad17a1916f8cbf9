/** The ARN of a role that was provisioned here. IAM's client is loaded for it alone. */

import { cloudError, notOwned } from '../../../../provisioning/cloud-errors.ts';
import type { ProvisionContext } from '../../../../provisioning/provisioner.ts';
import { askFor } from '../../cloud-call.ts';
import { clientSettings } from '../../job-clients.ts';
import { isTenants, tagsOfList } from '../../ownership.ts';
import { DEFAULT_REGION, placeOf } from '../../regions.ts';

/**
 * @param id - `aws:-:iam-role:NAME`.
 * @throws PlatformError `CLOUD_REFUSED` when there is none, `RESOURCE_NOT_OWNED` when it is another tenant's.
 */
export async function findRoleArn(context: ProvisionContext, id: string): Promise<string> {
  const { GetRoleCommand, IAMClient } = await import('@aws-sdk/client-iam');
  const client = new IAMClient(clientSettings(context, DEFAULT_REGION));
  const RoleName = placeOf(id).name;
  const answer = await askFor('GetRole', ['NoSuchEntity', 'NoSuchEntityException'], () =>
    client.send(new GetRoleCommand({ RoleName })),
  );
  const { Arn, Tags } = answer?.Role ?? {};
  if (Arn === undefined) {
    const message = `There is no role "${RoleName}". Provision it first, or name the ARN of another`;
    throw cloudError({ cloud: 'aws', fault: 'refused', operation: 'GetRole', cloudCode: 'NoSuchEntity', message });
  }
  if (!isTenants(tagsOfList(Tags), context)) throw notOwned(id, 'its tags do not name this tenant');
  return Arn;
}
