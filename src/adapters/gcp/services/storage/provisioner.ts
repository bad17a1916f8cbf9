/** Makes and removes buckets. Their names are unique in all of Google Cloud, so no project is needed to find one. */

import { PlatformError } from '../../../../core/errors.ts';
import { parseResourceId } from '../../../../provisioning/provisioner.ts';
import type { CloudProvisioner, ProvisionContext } from '../../../../provisioning/provisioner.ts';
import type { Found, Outputs, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { GoogleCaller, labelsOf } from '../../google-caller.ts';
import { googleProject } from '../../google-credentials.ts';
import { googleProvisioner } from '../../google-labels.ts';
import { DEFAULT_REGION } from '../../google-regions.ts';
import { listAt, objectAt, textAt } from '../../google-rest.ts';
import type { JsonObject } from '../../google-rest.ts';
import { storage } from './definition.ts';
import type { StorageParams } from './definition.ts';

export function createStorageProvisioner(context: ProvisionContext): CloudProvisioner {
  return googleProvisioner(BucketKind, context, (params) => storage.stepsOf(params));
}

const EMPTYING = { everyMs: 100, timeoutMs: 3_600_000 };
/** Objects that are listed, and then deleted, by one question. */
const BATCH = 50;

class BucketKind implements ResourceKind {
  readonly noun = 'bucket';
  readonly fixed = [];
  readonly taken = ['conflict', 'ALREADY_EXISTS'];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #google: GoogleCaller;
  readonly #name: string;
  readonly #region: string;
  readonly #params: Partial<StorageParams>;

  constructor(context: ProvisionContext, id: string, params: Partial<StorageParams>) {
    const { name = id, region = DEFAULT_REGION } = parseResourceId(id) ?? {};
    this.#context = context;
    this.#google = new GoogleCaller(context, 'storage');
    this.#name = name;
    this.#region = region;
    this.#params = params;
  }

  async find(): Promise<Found | undefined> {
    const bucket = await this.#get();
    if (bucket === undefined) return undefined;
    const outputs = outputsOf(this.#name, this.#region);
    if (bucket === 'unreadable') return { tags: {}, outputs, settings: {} };
    // One elsewhere is not the one that the id names.
    if (textAt(bucket, 'location')?.toLowerCase() !== this.#region) return undefined;
    const key = textAt(objectAt(bucket, 'encryption'), 'defaultKmsKeyName');
    const settings = {
      storageClass: textAt(bucket, 'storageClass') ?? 'STANDARD',
      versioning: objectAt(bucket, 'versioning')['enabled'] === true,
      ...(key === undefined && this.#params.kmsKeyName === undefined ? {} : { kmsKeyName: key ?? null }),
    };
    return { tags: labelsOf(bucket), outputs, settings };
  }

  async isEmpty(): Promise<boolean> {
    if ((await this.#get()) === 'unreadable') return false;
    const page = await this.#google.get('storage.objects.list', `${this.#path}/o?versions=true&maxResults=1`);
    return listAt(page ?? {}, 'items').length === 0;
  }

  async create(tags: Tags): Promise<undefined> {
    const project = googleProject(this.#context.place, this.#params.project);
    await this.#google.ask({
      operation: 'storage.buckets.insert',
      method: 'POST',
      path: `/storage/v1/b?project=${encodeURIComponent(project)}`,
      body: { name: this.#name, location: this.#region, ...this.#settings(), labels: tags },
    });
  }

  async tag(tags: Tags): Promise<void> {
    await this.#patch({ labels: tags });
  }

  async change(): Promise<void> {
    await this.#step('change-bucket', () => this.#patch(this.#settings()));
  }

  async remove(): Promise<void> {
    if (this.#params.forceDestroy === true)
      await this.#context.steps.until('empty-bucket', () => this.#deleteSome(), EMPTYING);
    await this.#step('delete-bucket', async () => {
      await this.#google.delete('storage.buckets.delete', this.#path);
    });
  }

  /** @returns `undefined` while there may be more. */
  async #deleteSome(): Promise<true | undefined> {
    const path = `${this.#path}/o?versions=true&maxResults=${BATCH}`;
    const page = await this.#google.get('storage.objects.list', path);
    const objects = listAt(page ?? {}, 'items') as readonly JsonObject[];
    for (const object of objects) {
      const name = encodeURIComponent(textAt(object, 'name') ?? '');
      const generation = textAt(object, 'generation');
      const version = generation === undefined ? '' : `?generation=${generation}`;
      await this.#google.delete('storage.objects.delete', `${this.#path}/o/${name}${version}`);
    }
    return objects.length === 0 ? true : undefined;
  }

  /** The bucket of a stranger may not be seen, and is not ours. */
  async #get(): Promise<JsonObject | 'unreadable' | undefined> {
    try {
      return await this.#google.get('storage.buckets.get', this.#path);
    } catch (error) {
      if (error instanceof PlatformError && error.details['cloudCode'] === 'forbidden') return 'unreadable';
      throw error;
    }
  }

  async #patch(body: JsonObject): Promise<void> {
    await this.#google.ask({ operation: 'storage.buckets.patch', method: 'PATCH', path: this.#path, body });
  }

  /** Uniform access and closed doors are not for the caller to choose. */
  #settings(): JsonObject {
    const { storageClass = 'STANDARD', versioning = false, kmsKeyName } = this.#params;
    return {
      storageClass,
      versioning: { enabled: versioning },
      iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
      ...(kmsKeyName === undefined ? {} : { encryption: { defaultKmsKeyName: kmsKeyName } }),
    };
  }

  get #path(): string {
    return `/storage/v1/b/${encodeURIComponent(this.#name)}`;
  }

  async #step(name: string, effect: () => Promise<void>): Promise<void> {
    await this.#context.steps.run(name, async () => {
      await effect();
      return null;
    });
  }
}

function outputsOf(name: string, region: string): Outputs {
  return { bucketName: name, region, url: `gs://${name}`, address: `https://storage.googleapis.com/${name}` };
}
