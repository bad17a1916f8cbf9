/** Makes, changes and removes functions. Secrets are looked up as they are sent, and kept nowhere else. */

import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionCommand,
  LambdaClient,
  TagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import type {
  CreateFunctionCommandInput,
  FunctionCode,
  FunctionConfiguration,
  GetFunctionCommandOutput,
} from '@aws-sdk/client-lambda';
import type { JsonValue } from '../../../../core/ports.ts';
import { cloudError } from '../../../../provisioning/cloud-errors.ts';
import type { ProvisionContext, ProvisionRequest } from '../../../../provisioning/provisioner.ts';
import { cloudCodeOf } from '../../../../provisioning/resource-provisioner.ts';
import type { CreateProvisioner, Found, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor } from '../../cloud-call.ts';
import { clientSettings } from '../../job-clients.ts';
import { awsProvisioner, tagText } from '../../ownership.ts';
import { placeOf } from '../../regions.ts';
import type { LambdaParams } from './definition.ts';
import { findRoleArn } from './role.ts';

type Params = ProvisionRequest['params'];

const ABSENT = ['ResourceNotFoundException'];
/** A role that was made just now is not known to Lambda for some seconds. */
const ROLE_NOT_READY = 'RoleNotReady';
const BUSY = 'ResourceConflictException';
const CHANGED = { everyMs: 2_000, timeoutMs: 300_000 };
/** Says which code was put last, because Lambda does not say where its code came from. */
const CODE_TAG = 'code';

export const createFunction: CreateProvisioner = (context, stepsOf) => awsProvisioner(FunctionKind, context, stepsOf);

class FunctionKind implements ResourceKind {
  readonly noun = 'function';
  readonly fixed = ['architecture'];
  readonly taken = [BUSY];
  readonly notNow = [ROLE_NOT_READY];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #client: LambdaClient;
  readonly #function: { readonly FunctionName: string };
  /** What a removal or a reading has of the parameters may be nothing. */
  readonly #given: Partial<LambdaParams>;
  /** The same, for what is called only with all of them. */
  readonly #params: LambdaParams;
  #role: string | undefined;

  constructor(context: ProvisionContext, id: string, params: Params) {
    const { name, region } = placeOf(id);
    this.#context = context;
    this.#function = { FunctionName: name };
    this.#given = params;
    this.#params = params as unknown as LambdaParams;
    this.#client = new LambdaClient(clientSettings(context, region));
  }

  async find(): Promise<Found | undefined> {
    const answer = await askFor('GetFunction', ABSENT, () => this.#client.send(new GetFunctionCommand(this.#function)));
    if (answer === undefined) return undefined;
    const { Configuration: { FunctionArn = '', State = 'Active', StateReason, LastUpdateStatus, Role = '' } = {} } =
      answer;
    const isFailed = State === 'Failed';
    return {
      tags: answer.Tags ?? {},
      outputs: { functionName: this.#function.FunctionName, arn: FunctionArn, role: Role },
      settings: this.#settings(answer),
      isReady: (State === 'Active' || State === 'Inactive') && LastUpdateStatus !== 'InProgress',
      problem: isFailed ? (StateReason ?? 'Lambda could not make the function ready') : undefined,
    };
  }

  #settings({ Configuration = {}, Tags = {} }: GetFunctionCommandOutput): Record<string, JsonValue> {
    const { role = '', code, secretEnvironment = {} } = this.#given;
    const found = configurationOf(Configuration);
    const isNamed = role.startsWith('aws:') && found.role.endsWith(`/${placeOf(role).name}`);
    const open = Object.entries(Configuration.Environment?.Variables ?? {}).filter(
      ([name]) => !Object.hasOwn(secretEnvironment, name),
    );
    const isOther = code !== undefined && Tags[CODE_TAG] !== codeName(code);
    return {
      ...found,
      environment: Object.fromEntries(open),
      role: isNamed ? role : found.role,
      ...(isOther ? { code: Tags[CODE_TAG] ?? null } : {}),
    };
  }

  async prepare(): Promise<void> {
    const { role } = this.#params;
    if (role.startsWith('arn:')) this.#role = role;
    else this.#role = await this.#context.steps.run('find-role', () => findRoleArn(this.#context, role));
  }

  async create(tags: Tags): Promise<undefined> {
    const { runtime, handler, description, memoryMb, timeoutSeconds, architecture, code } = this.#params;
    const input: CreateFunctionCommandInput = {
      ...this.#function,
      Runtime: runtime,
      Handler: handler,
      Description: description,
      MemorySize: memoryMb,
      Timeout: timeoutSeconds,
      Architectures: [architecture],
      Role: this.#role,
      Code: await this.#code(),
      Environment: { Variables: await this.#variables() },
      Tags: { ...tags, [CODE_TAG]: codeName(code) },
    };
    try {
      await ask('CreateFunction', () => this.#client.send(new CreateFunctionCommand(input)));
    } catch (error) {
      throw isAboutRole(error) ? roleNotReady(error) : error;
    }
  }

  async #code(): Promise<FunctionCode> {
    const { code } = this.#params;
    if ('secret' in code) return { ZipFile: Buffer.from(await this.#secret(code.secret), 'base64') };
    const { bucket, key, version } = code;
    return { S3Bucket: bucket, S3Key: key, ...(version === undefined ? {} : { S3ObjectVersion: version }) };
  }

  async #variables(): Promise<Record<string, string>> {
    const { environment, secretEnvironment } = this.#params;
    const secrets = await Promise.all(
      Object.entries(secretEnvironment).map(async ([name, secret]) => [name, await this.#secret(secret)] as const),
    );
    return { ...environment, ...Object.fromEntries(secrets) };
  }

  /** @throws PlatformError `CLOUD_REFUSED` for a name that no source of secrets knows. */
  async #secret(name: string): Promise<string> {
    const value = await this.#context.place.secrets.get(name);
    if (value !== undefined) return value;
    const message = `There is no secret "${name}". Set it where the platform runs`;
    throw cloudError({ cloud: 'aws', fault: 'refused', operation: 'secrets', cloudCode: 'NoSecret', message });
  }

  async tag(tags: Tags): Promise<void> {
    const answer = await ask('GetFunction', () => this.#client.send(new GetFunctionCommand(this.#function)));
    const Resource = answer.Configuration?.FunctionArn;
    await ask('TagResource', () => this.#client.send(new TagResourceCommand({ Resource, Tags: { ...tags } })));
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    await this.prepare();
    const others = [...different].filter((name) => name !== 'code');
    const hasSecrets = Object.keys(this.#params.secretEnvironment).length > 0;
    if (others.length > 0 || hasSecrets) await this.#whenFree('change-function', () => this.#configure());
    if (different.has('code')) await this.#whenFree('change-code', () => this.#putCode());
  }

  async #configure(): Promise<void> {
    const { runtime, handler, description, memoryMb, timeoutSeconds } = this.#params;
    const input = {
      ...this.#function,
      Runtime: runtime,
      Handler: handler,
      Description: description,
      MemorySize: memoryMb,
      Timeout: timeoutSeconds,
      Role: this.#role,
      Environment: { Variables: await this.#variables() },
    };
    await ask('UpdateFunctionConfiguration', () => this.#client.send(new UpdateFunctionConfigurationCommand(input)));
  }

  async #putCode(): Promise<void> {
    const input = { ...this.#function, ...(await this.#code()) };
    await ask('UpdateFunctionCode', () => this.#client.send(new UpdateFunctionCodeCommand(input)));
    await this.tag({ [CODE_TAG]: codeName(this.#params.code) });
  }

  /** Lambda makes one change of a function at a time. */
  async #whenFree(step: string, change: () => Promise<void>): Promise<void> {
    const attempt = async (): Promise<true | undefined> => {
      try {
        await change();
        return true;
      } catch (error) {
        if (cloudCodeOf(error) === BUSY) return undefined;
        throw isAboutRole(error) ? roleNotReady(error) : error;
      }
    };
    await this.#context.steps.until(step, attempt, CHANGED);
  }

  async remove(): Promise<void> {
    await this.#context.steps.run('delete-function', async () => {
      await askFor('DeleteFunction', ABSENT, () => this.#client.send(new DeleteFunctionCommand(this.#function)));
      return null;
    });
  }
}

/** By the names of the parameters. */
function configurationOf(configuration: FunctionConfiguration): { readonly role: string } & Record<string, JsonValue> {
  const { Runtime = '', Handler = '', Description = '', MemorySize = 0, Timeout = 0, Role = '' } = configuration;
  return {
    runtime: Runtime,
    handler: Handler,
    description: Description,
    memoryMb: MemorySize,
    timeoutSeconds: Timeout,
    architecture: configuration.Architectures?.[0] ?? 'x86_64',
    role: Role,
  };
}

function codeName(code: LambdaParams['code']): string {
  if ('secret' in code) return tagText(`secret:${code.secret}`);
  const { bucket, key, version } = code;
  return tagText(`s3://${bucket}/${key}${version === undefined ? '' : `@${version}`}`);
}

function isAboutRole(error: unknown): boolean {
  return (
    cloudCodeOf(error) === 'InvalidParameterValueException' &&
    error instanceof Error &&
    /\brole\b.*cannot be assumed/i.test(error.message)
  );
}

function roleNotReady(cause: unknown): Error {
  const message = 'Lambda cannot act as the role yet';
  const failure = { operation: 'CreateFunction', cloudCode: ROLE_NOT_READY, message, cause } as const;
  return cloudError({ cloud: 'aws', fault: 'unavailable', ...failure });
}
