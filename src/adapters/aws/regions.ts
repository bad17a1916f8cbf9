/** Where AWS's services are made. */

import { parseResourceId } from '../../provisioning/provisioner.ts';

/** Of AWS's commercial partition that every account may use or enable. */

export const AWS_REGIONS = [
  'us-east-1',
  'us-east-2',
  'us-west-1',
  'us-west-2',
  'af-south-1',
  'ap-east-1',
  'ap-northeast-1',
  'ap-northeast-2',
  'ap-northeast-3',
  'ap-south-1',
  'ap-south-2',
  'ap-southeast-1',
  'ap-southeast-2',
  'ap-southeast-3',
  'ap-southeast-4',
  'ca-central-1',
  'ca-west-1',
  'eu-central-1',
  'eu-central-2',
  'eu-north-1',
  'eu-south-1',
  'eu-south-2',
  'eu-west-1',
  'eu-west-2',
  'eu-west-3',
  'il-central-1',
  'me-central-1',
  'me-south-1',
  'mx-central-1',
  'sa-east-1',
] as const;

/** Where a resource is made when nothing names a region. */
export const DEFAULT_REGION = 'us-east-1';

/** What a resource's id says about where it is. */
export function placeOf(id: string): { readonly name: string; readonly region: string } {
  const { name = id, region = DEFAULT_REGION } = parseResourceId(id) ?? {};
  return { name, region };
}
