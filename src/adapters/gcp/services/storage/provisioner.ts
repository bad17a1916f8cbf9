/** Makes and removes buckets. Their names are unique in all of Google Cloud, so a name is all that is needed. */

import { PlatformError } from '../../../../core/errors.ts';
import type { JsonValue } from '../../../../core/ports.ts';
import { cloudError, notOwned } from '../../../../provisioning/cloud-errors.ts';
import { parseResourceId } from '../../../../provisioning/provisioner.ts';
import type {
  CloudProvisioner,
  DeprovisionResponse,
  PlannedChange,
  ProvisionContext,
  ProvisionRequest,
  ProvisionResponse,
  ResourceState,
} from '../../../../provisioning/provisioner.ts';
import { googleProject } from '../../google-credentials.ts';
import { adoptedLabels, googleLabels, isMadeBy, isTenants } from '../../google-labels.ts';
import type { Labels } from '../../google-labels.ts';
import { DEFAULT_REGION } from '../../google-regions.ts';
import { askGoogle, objectAt, textAt } from '../../google-rest.ts';
import type { GoogleAnswer, GoogleRequest, JsonObject } from '../../google-rest.ts';
import { differencesOf } from '../../google-state.ts';
import { storageParams } from './definition.ts';
import type { StorageParams } from './definition.ts';

/** A bucket that is gone may be seen for a moment longer. */
const GONE = { everyMs: 2_000, timeoutMs: 120_000 };

export function createStorageProvisioner(context: ProvisionContext): CloudProvisioner {
  return new StorageProvisioner(context);
}

class StorageProvisioner implements CloudProvisioner {
  readonly #context: ProvisionContext;
  readonly #labels: Labels;

  constructor(context: ProvisionContext) {
    this.#context = context;
    this.#labels = googleLabels(context.ownership, context.userTags);
  }

  async provision(input: ProvisionRequest): Promise<ProvisionResponse> {
    const params = storageParams.parse(input.params);
    const { bucketName } = params;
    const isAdopted = await this.#context.steps.run('create-bucket', async ({ signal }) => {
      const project = googleProject(this.#context.place, params.project);
      const path = `/storage/v1/b?project=${encodeURIComponent(project)}&projection=noAcl`;
      const body = { name: bucketName, location: regionOf(input, params), ...settingsOf(params), labels: this.#labels };
      const { status } = await this.#ask({
        operation: 'storage.buckets.insert',
        method: 'POST',
        path,
        body,
        accept: [409],
        signal,
      });
      return status === 409 ? this.#takeOver(bucketName, regionOf(input, params), signal) : false;
    });
    return { status: 'provisioned', id: this.#context.id, outputs: outputsOf(bucketName), isAdopted };
  }

  async destroy(id: string): Promise<DeprovisionResponse> {
    const name = nameIn(id);
    const { steps } = this.#context;
    await steps.run('delete-bucket', async ({ signal }) => {
      const bucket = await this.#get(name, signal);
      if (bucket === undefined) return null;
      this.#check(name, bucket);
      const path = `/storage/v1/b/${encodeURIComponent(name)}`;
      await this.#ask({ operation: 'storage.buckets.delete', method: 'DELETE', path, accept: [404], signal });
      return null;
    });
    await steps.until(
      'bucket-gone',
      async ({ signal }) => (await this.#get(name, signal)) === undefined || undefined,
      GONE,
    );
    return { status: 'deprovisioned', id };
  }

  async plan(input: ProvisionRequest): Promise<PlannedChange> {
    const params = storageParams.parse(input.params);
    const { id, signal } = this.#context;
    const bucket = await this.#get(params.bucketName, signal);
    if (bucket === undefined) return { id, change: 'create', steps: ['create-bucket'] };
    this.#check(params.bucketName, bucket);
    const differences = differencesOf(bucket, settingsOf(params));
    if (Object.keys(differences).length === 0) return { id, change: 'adopt', steps: [] };
    return { id, change: 'update', steps: ['update-bucket'], differences };
  }

  async read(id: string): Promise<ResourceState | undefined> {
    const name = nameIn(id);
    const bucket = await this.#get(name, this.#context.signal);
    if (bucket === undefined) return undefined;
    const tags = labelsOf(bucket);
    return { id, outputs: outputsOf(name), isOwned: isTenants(tags, this.#context.request.tenant), tags };
  }

  async update(id: string, input: ProvisionRequest): Promise<ProvisionResponse> {
    const params = storageParams.parse(input.params);
    await this.#patch('update-bucket', params.bucketName, settingsOf(params));
    return { status: 'provisioned', id, outputs: outputsOf(params.bucketName), isAdopted: false };
  }

  async adopt(input: ProvisionRequest): Promise<ProvisionResponse | undefined> {
    const { bucketName } = storageParams.parse(input.params);
    if ((await this.#get(bucketName, this.#context.signal)) === undefined) return undefined;
    await this.#patch('label-bucket', bucketName, {});
    return { status: 'provisioned', id: this.#context.id, outputs: outputsOf(bucketName), isAdopted: true };
  }

  /** Labels stay those of the bucket's maker where they name one. */
  async #patch(step: string, name: string, settings: JsonObject): Promise<void> {
    await this.#context.steps.run(step, async ({ signal }) => {
      const bucket = await this.#get(name, signal);
      if (bucket === undefined) throw absent(name);
      this.#check(name, bucket);
      const labels = adoptedLabels(this.#labels, labelsOf(bucket));
      const path = `/storage/v1/b/${encodeURIComponent(name)}`;
      const body = { ...settings, labels };
      await this.#ask({ operation: 'storage.buckets.patch', method: 'PATCH', path, body, signal });
      return null;
    });
  }

  /** @returns whether it was there before this job. */
  async #takeOver(name: string, region: string, signal: AbortSignal): Promise<boolean> {
    const bucket = await this.#get(name, signal).catch((error: unknown) => {
      // The bucket of a stranger may not even be seen.
      throw isDenied(error) ? notOwned(name, 'these credentials may not see it') : error;
    });
    if (bucket === undefined) throw unavailable(name);
    this.#check(name, bucket);
    const place = textAt(bucket, 'location')?.toLowerCase();
    if (place !== region) throw elsewhere(name, place ?? 'another place');
    return !isMadeBy(labelsOf(bucket), this.#context.requestId);
  }

  /** @throws PlatformError `RESOURCE_NOT_OWNED`. */
  #check(name: string, bucket: JsonObject): void {
    if (isTenants(labelsOf(bucket), this.#context.request.tenant)) return;
    throw notOwned(name, 'its labels do not name this tenant');
  }

  async #get(name: string, signal: AbortSignal): Promise<JsonObject | undefined> {
    const path = `/storage/v1/b/${encodeURIComponent(name)}?projection=noAcl`;
    const accept = [404];
    const { status, body } = await this.#ask({ operation: 'storage.buckets.get', method: 'GET', path, accept, signal });
    return status === 404 ? undefined : body;
  }

  #ask(request: GoogleRequest): Promise<GoogleAnswer> {
    return askGoogle(this.#context.place, 'storage', request);
  }
}

/** Uniform access and closed doors are not for the caller to choose. */
function settingsOf(params: StorageParams): JsonObject {
  const { storageClass, versioning, kmsKeyName } = params;
  return {
    storageClass,
    versioning: { enabled: versioning },
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
    ...(kmsKeyName === undefined ? {} : { encryption: { defaultKmsKeyName: kmsKeyName } }),
  };
}

function regionOf(input: ProvisionRequest, params: StorageParams): string {
  return input.region ?? params.region ?? DEFAULT_REGION;
}

function outputsOf(name: string): Readonly<Record<string, JsonValue>> {
  return { bucketName: name, url: `gs://${name}`, address: `https://storage.googleapis.com/${name}` };
}

function labelsOf(bucket: JsonObject): Labels {
  return objectAt(bucket, 'labels') as Labels;
}

function nameIn(id: string): string {
  return parseResourceId(id)?.name ?? id;
}

function isDenied(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'CLOUD_DENIED';
}

/** It was there when we tried to make it, and is gone now. */
function unavailable(name: string): Error {
  const [operation, cloudCode] = ['storage.buckets.insert', 'conflict'];
  const message = `The bucket "${name}" is being removed`;
  return cloudError({ cloud: 'gcp', fault: 'unavailable', operation, cloudCode, message });
}

function elsewhere(name: string, place: string): Error {
  const [operation, cloudCode] = ['storage.buckets.insert', 'conflict'];
  const message = `The bucket "${name}" exists in ${place}`;
  return cloudError({ cloud: 'gcp', fault: 'refused', operation, cloudCode, message });
}

function absent(name: string): Error {
  const [operation, cloudCode] = ['storage.buckets.patch', 'notFound'];
  return cloudError({ cloud: 'gcp', fault: 'refused', operation, cloudCode, message: `There is no bucket "${name}"` });
}
