/** Google as one job's provisioner asks it: its place and its time limit go along with every request. */

import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import type { Tags } from '../../provisioning/resource-provisioner.ts';
import { askGoogle, objectAt } from './google-rest.ts';
import type { GoogleAnswer, GoogleApi, GoogleRequest, JsonObject } from './google-rest.ts';

export class GoogleCaller {
  readonly #context: ProvisionContext;
  readonly #api: GoogleApi;

  constructor(context: ProvisionContext, api: GoogleApi) {
    this.#context = context;
    this.#api = api;
  }

  /** @throws PlatformError `CLOUD_*`, `EGRESS_REFUSED`. */
  ask(request: Omit<GoogleRequest, 'signal'>): Promise<GoogleAnswer> {
    return askGoogle(this.#context.place, this.#api, { ...request, signal: this.#context.signal });
  }

  /** What is at a path; `undefined` where there is nothing. @throws PlatformError as {@link ask}. */
  async get(operation: string, path: string): Promise<JsonObject | undefined> {
    const { status, body } = await this.ask({ operation, method: 'GET', path, accept: [404] });
    return status === 404 ? undefined : body;
  }

  /** Absent is done. @throws PlatformError as {@link ask}. */
  async delete(operation: string, path: string): Promise<JsonObject> {
    return (await this.ask({ operation, method: 'DELETE', path, accept: [404] })).body;
  }
}

export function labelsOf(resource: JsonObject): Tags {
  return objectAt(resource, 'labels') as Tags;
}
