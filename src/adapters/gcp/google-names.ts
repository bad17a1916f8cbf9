/** Names of what lies in a project: `NAME`, or `PROJECT/NAME` where the caller names the project. */

import { parseResourceId } from '../../provisioning/provisioner.ts';
import type { CloudPlace } from '../../provisioning/provisioner.ts';
import { googleProject } from './google-credentials.ts';
import { DEFAULT_REGION } from './google-regions.ts';

export function projectName(project: string | undefined, name: string): string {
  return project === undefined ? name : `${project}/${name}`;
}

/**
 * @param id - Of the resource here.
 * @throws PlatformError `CLOUD_REFUSED` where no project is named anywhere.
 */
export function readProjectName(
  id: string,
  place: CloudPlace,
): { readonly project: string; readonly name: string; readonly region: string } {
  const { name: whole = id, region = DEFAULT_REGION } = parseResourceId(id) ?? {};
  const slash = whole.indexOf('/');
  const project = googleProject(place, slash < 0 ? undefined : whole.slice(0, slash));
  return { project, name: whole.slice(slash + 1), region };
}
