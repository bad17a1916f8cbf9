/** Makes and removes services of Cloud Run. Their operations are asked for by the name that is stored of them. */

import type { JsonValue } from '../../../../core/ports.ts';
import { cloudError } from '../../../../provisioning/cloud-errors.ts';
import type { CloudProvisioner, ProvisionContext } from '../../../../provisioning/provisioner.ts';
import type { Begun, Found, Outputs, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { GoogleCaller, labelsOf } from '../../google-caller.ts';
import { googleProvisioner } from '../../google-labels.ts';
import { readProjectName } from '../../google-names.ts';
import { errorOf, listAt, numberAt, objectAt, textAt } from '../../google-rest.ts';
import type { JsonObject } from '../../google-rest.ts';
import { cloudRun } from './definition.ts';
import type { CloudRunParams } from './definition.ts';
import { INVOKER, serviceBody, settingsOf, withEverybody } from './settings.ts';

export function createCloudRunProvisioner(context: ProvisionContext): CloudProvisioner {
  return googleProvisioner(ServiceKind, context, (params) => cloudRun.stepsOf(params));
}

/** Google takes some seconds for most of them. */
const EVERY_MS = 2_000;

class ServiceKind implements ResourceKind {
  readonly noun = 'service';
  readonly fixed = [];
  readonly taken = ['ALREADY_EXISTS'];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #google: GoogleCaller;
  readonly #parent: string;
  readonly #name: string;
  readonly #region: string;
  readonly #params: Partial<CloudRunParams>;

  constructor(context: ProvisionContext, id: string, params: Partial<CloudRunParams>) {
    const { project, name, region } = readProjectName(id, context.place);
    this.#context = context;
    this.#google = new GoogleCaller(context, 'run');
    this.#parent = `/v2/projects/${project}/locations/${region}/services`;
    this.#name = name;
    this.#region = region;
    this.#params = params;
  }

  async find(): Promise<Found | undefined> {
    const service = await this.#get();
    if (service === undefined) return undefined;
    const isPublic = withoutBindings(await this.#policy()).isPublic;
    const uri = textAt(service, 'uri');
    const outputs: Outputs = { serviceName: this.#name, region: this.#region, ...(uri === undefined ? {} : { uri }) };
    const settings = settingsOf(service, isPublic);
    return { tags: labelsOf(service), outputs, settings, ...readiness(service) };
  }

  async create(tags: Tags): Promise<Begun> {
    const { body } = await this.#google.ask({
      operation: 'run.services.create',
      method: 'POST',
      path: `${this.#parent}?serviceId=${this.#name}`,
      body: { ...serviceBody(this.#params), labels: tags },
    });
    return { handle: textAt(body, 'name') ?? '', everyMs: EVERY_MS };
  }

  /** @throws PlatformError `CLOUD_REFUSED` with Google's reason when the operation has failed. */
  async progress(handle: JsonValue): Promise<true | undefined> {
    const path = `/v2/${typeof handle === 'string' ? handle : ''}`;
    const operation = await this.#google.get('run.operations.get', path);
    // One that Google has forgotten is over; whether the service is there is looked at next.
    if (operation === undefined) return true;
    if (operation['done'] !== true) return undefined;
    if (operation['error'] === undefined) return true;
    const { message = 'the operation failed' } = errorOf(operation);
    throw cloudError({
      cloud: 'gcp',
      fault: 'refused',
      operation: 'run.services.create',
      cloudCode: `OPERATION_${numberAt(objectAt(operation, 'error'), 'code') ?? 'FAILED'}`,
      message,
    });
  }

  async complete(): Promise<void> {
    if (this.#params.publicAccess === true) await this.#step('allow-everybody', () => this.#setPublic(true));
  }

  async tag(tags: Tags): Promise<void> {
    await this.#patch({ labels: tags }, 'labels');
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    const { publicAccess = false } = this.#params;
    const ofService = [...different].filter((name) => name !== 'publicAccess');
    if (ofService.length > 0)
      await this.#step('change-service', () => this.#patch(serviceBody(this.#params), 'template,ingress'));
    if (different.has('publicAccess')) await this.#step('change-access', () => this.#setPublic(publicAccess));
  }

  async remove(): Promise<void> {
    await this.#step('delete-service', async () => {
      const there = await this.#get();
      if (there === undefined || there['deleteTime'] !== undefined) return;
      await this.#google.delete('run.services.delete', this.#path);
    });
  }

  /** Bindings of others stay as they are. */
  async #setPublic(isPublic: boolean): Promise<void> {
    const policy = (await this.#policy()) ?? {};
    const body = { policy: withEverybody(policy, isPublic) };
    const [operation, path] = ['run.services.setIamPolicy', `${this.#path}:setIamPolicy`];
    await this.#google.ask({ operation, method: 'POST', path, body });
  }

  async #patch(body: JsonObject, mask: string): Promise<void> {
    const path = `${this.#path}?updateMask=${encodeURIComponent(mask)}`;
    const full = { name: this.#path.slice('/v2/'.length), ...body };
    await this.#google.ask({ operation: 'run.services.patch', method: 'PATCH', path, body: full });
  }

  #get(): Promise<JsonObject | undefined> {
    return this.#google.get('run.services.get', this.#path);
  }

  #policy(): Promise<JsonObject | undefined> {
    return this.#google.get('run.services.getIamPolicy', `${this.#path}:getIamPolicy`);
  }

  get #path(): string {
    return `${this.#parent}/${this.#name}`;
  }

  async #step(name: string, effect: () => Promise<void>): Promise<void> {
    await this.#context.steps.run(name, async () => {
      await effect();
      return null;
    });
  }
}

function withoutBindings(policy: JsonObject | undefined): { readonly isPublic: boolean } {
  const bindings = listAt(policy ?? {}, 'bindings') as readonly JsonObject[];
  const isPublic = bindings.some(
    (binding) => binding['role'] === INVOKER && listAt(binding, 'members').includes('allUsers'),
  );
  return { isPublic };
}

/** What Google's own condition says of it. */
function readiness(service: JsonObject): { readonly isReady: boolean; readonly problem?: string } {
  const condition = objectAt(service, 'terminalCondition');
  const isBusy = service['reconciling'] === true || service['deleteTime'] !== undefined;
  if (!isBusy && condition['state'] === 'CONDITION_FAILED')
    return { isReady: false, problem: textAt(condition, 'message') ?? 'The service cannot be made ready' };
  return { isReady: !isBusy && condition['state'] === 'CONDITION_SUCCEEDED' };
}
