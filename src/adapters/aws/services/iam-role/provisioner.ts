/** Makes and removes roles with their policies. IAM is slow to show what was made, so what is missing is looked for again. */

import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  PutRolePolicyCommand,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
  UpdateRoleCommand,
} from '@aws-sdk/client-iam';
import type { Role } from '@aws-sdk/client-iam';
import { isObject } from '../../../../core/json.ts';
import type { JsonValue } from '../../../../core/ports.ts';
import { cloudError } from '../../../../provisioning/cloud-errors.ts';
import type { ProvisionContext, ProvisionRequest } from '../../../../provisioning/provisioner.ts';
import { cloudCodeOf } from '../../../../provisioning/resource-provisioner.ts';
import type { CreateProvisioner, Found, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor } from '../../cloud-call.ts';
import { clientSettings } from '../../job-clients.ts';
import { awsProvisioner, tagList, tagsOfList } from '../../ownership.ts';
import { DEFAULT_REGION, placeOf } from '../../regions.ts';
import type { IamRoleParams } from './definition.ts';

type Params = ProvisionRequest['params'];

const ABSENT = ['NoSuchEntity', 'NoSuchEntityException'];
/** What is put for the statements of the parameters; others of the role are left alone until it goes. */
const POLICY_NAME = 'zeroplane';
/** For a while after its policies have gone IAM may still see them. */
const DELETED = { everyMs: 2_000, timeoutMs: 60_000 };

export const createRole: CreateProvisioner = (context, stepsOf) => awsProvisioner(RoleKind, context, stepsOf);

class RoleKind implements ResourceKind {
  readonly noun = 'role';
  readonly fixed = ['permissionsBoundary'];
  readonly taken = ['EntityAlreadyExists', 'EntityAlreadyExistsException'];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #client: IAMClient;
  readonly #role: { readonly RoleName: string };
  readonly #params: Partial<IamRoleParams>;

  constructor(context: ProvisionContext, id: string, params: Params) {
    this.#context = context;
    this.#role = { RoleName: placeOf(id).name };
    this.#params = params;
    this.#client = new IAMClient(clientSettings(context, DEFAULT_REGION));
  }

  async find(): Promise<Found | undefined> {
    const answer = await askFor('GetRole', ABSENT, () => this.#client.send(new GetRoleCommand(this.#role)));
    const role = answer?.Role;
    if (role === undefined) return undefined;
    const [attached, statements] = await Promise.all([this.#attached(), this.#statements()]);
    const { managedPolicies = [], trustedServices = [] } = this.#params;
    const settings = {
      trustedServices: inOrderOf(servicesOf(role), trustedServices),
      managedPolicies: inOrderOf(attached, managedPolicies),
      statements,
      maxSessionSeconds: role.MaxSessionDuration ?? 3_600,
      permissionsBoundary: role.PermissionsBoundary?.PermissionsBoundaryArn ?? null,
    };
    const outputs = { roleName: this.#role.RoleName, arn: role.Arn ?? '' };
    return { tags: tagsOfList(role.Tags), outputs, settings };
  }

  async #attached(): Promise<string[]> {
    const found: string[] = [];
    for (let Marker: string | undefined; ;) {
      const page = await askFor('ListAttachedRolePolicies', ABSENT, () =>
        this.#client.send(new ListAttachedRolePoliciesCommand({ ...this.#role, ...(Marker ? { Marker } : {}) })),
      );
      found.push(...(page?.AttachedPolicies ?? []).flatMap(({ PolicyArn }) => PolicyArn ?? []));
      Marker = page?.IsTruncated === true ? page.Marker : undefined;
      if (Marker === undefined) return found;
    }
  }

  /** As they would stand in the parameters. */
  async #statements(): Promise<JsonValue> {
    const policy = await askFor('GetRolePolicy', ABSENT, () =>
      this.#client.send(new GetRolePolicyCommand({ ...this.#role, PolicyName: POLICY_NAME })),
    );
    return statementsOf(policy?.PolicyDocument).map(({ Action, Resource }) => ({
      actions: listOf(Action),
      resources: listOf(Resource),
    }));
  }

  async create(tags: Tags): Promise<undefined> {
    const { permissionsBoundary, maxSessionSeconds = 3_600 } = this.#params;
    const input = {
      ...this.#role,
      AssumeRolePolicyDocument: this.#trust(),
      MaxSessionDuration: maxSessionSeconds,
      Tags: tagList(tags),
      ...(permissionsBoundary === undefined ? {} : { PermissionsBoundary: permissionsBoundary }),
    };
    await ask('CreateRole', () => this.#client.send(new CreateRoleCommand(input)));
  }

  #trust(): string {
    const { trustedServices = [] } = this.#params;
    return documentOf([{ Effect: 'Allow', Principal: { Service: [...trustedServices] }, Action: 'sts:AssumeRole' }]);
  }

  async complete(): Promise<void> {
    if ((this.#params.managedPolicies ?? []).length > 0) await this.#attach();
    if ((this.#params.statements ?? []).length > 0) await this.#put();
  }

  /** The policies of the parameters, and no others. */
  async #attach(): Promise<void> {
    const wanted = this.#params.managedPolicies ?? [];
    await this.#step('attach-policies', async () => {
      const there = await this.#attached();
      for (const PolicyArn of wanted.filter((arn) => !there.includes(arn)))
        await ask('AttachRolePolicy', () =>
          this.#client.send(new AttachRolePolicyCommand({ ...this.#role, PolicyArn })),
        );
      await this.#detach(there.filter((arn) => !wanted.includes(arn)));
    });
  }

  async #detach(arns: readonly string[]): Promise<void> {
    for (const PolicyArn of arns)
      await askFor('DetachRolePolicy', ABSENT, () =>
        this.#client.send(new DetachRolePolicyCommand({ ...this.#role, PolicyArn })),
      );
  }

  async #put(): Promise<void> {
    const { statements = [] } = this.#params;
    const PolicyDocument = documentOf(
      statements.map(({ actions, resources }) => ({ Effect: 'Allow', Action: actions, Resource: resources })),
    );
    const policy = { ...this.#role, PolicyName: POLICY_NAME };
    await this.#step('put-statements', async () => {
      if (statements.length > 0)
        await ask('PutRolePolicy', () => this.#client.send(new PutRolePolicyCommand({ ...policy, PolicyDocument })));
      else await askFor('DeleteRolePolicy', ABSENT, () => this.#client.send(new DeleteRolePolicyCommand(policy)));
    });
  }

  async tag(tags: Tags): Promise<void> {
    await ask('TagRole', () => this.#client.send(new TagRoleCommand({ ...this.#role, Tags: tagList(tags) })));
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    if (different.has('trustedServices'))
      await this.#step('change-trust', async () => {
        const trust = { ...this.#role, PolicyDocument: this.#trust() };
        await ask('UpdateAssumeRolePolicy', () => this.#client.send(new UpdateAssumeRolePolicyCommand(trust)));
      });
    if (different.has('maxSessionSeconds'))
      await this.#step('change-role', async () => {
        const MaxSessionDuration = this.#params.maxSessionSeconds;
        await ask('UpdateRole', () => this.#client.send(new UpdateRoleCommand({ ...this.#role, MaxSessionDuration })));
      });
    if (different.has('managedPolicies')) await this.#attach();
    if (different.has('statements')) await this.#put();
  }

  /** Everything that hangs on the role goes first, whoever has put it there. */
  async remove(): Promise<void> {
    await this.#step('detach-policies', async () => this.#detach(await this.#attached()));
    await this.#step('delete-statements', () => this.#deleteInline());
    await this.#context.steps.until('delete-role', () => this.#delete(), DELETED);
  }

  async #deleteInline(): Promise<void> {
    const page = await askFor('ListRolePolicies', ABSENT, () =>
      this.#client.send(new ListRolePoliciesCommand(this.#role)),
    );
    for (const PolicyName of page?.PolicyNames ?? [])
      await askFor('DeleteRolePolicy', ABSENT, () =>
        this.#client.send(new DeleteRolePolicyCommand({ ...this.#role, PolicyName })),
      );
  }

  async #delete(): Promise<true | undefined> {
    try {
      await askFor('DeleteRole', ABSENT, () => this.#client.send(new DeleteRoleCommand(this.#role)));
      return true;
    } catch (error) {
      if (cloudCodeOf(error).startsWith('DeleteConflict')) return undefined;
      throw error;
    }
  }

  async #step(name: string, effect: () => Promise<void>): Promise<void> {
    await this.#context.steps.run(name, async () => {
      try {
        await effect();
        return null;
      } catch (error) {
        throw isRoleUnseen(error) ? notVisible(name, error) : error;
      }
    });
  }
}

/** A policy that does not exist has the same code, and does not come by waiting. */
function isRoleUnseen(error: unknown): boolean {
  return ABSENT.includes(cloudCodeOf(error)) && error instanceof Error && /\brole with name\b/i.test(error.message);
}

function notVisible(operation: string, cause: unknown): Error {
  const message = 'The role was made and does not show yet';
  return cloudError({ cloud: 'aws', fault: 'unavailable', operation, cloudCode: 'NotVisibleYet', message, cause });
}

function documentOf(Statement: readonly JsonValue[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

/** @param document - As IAM answers: JSON with percent signs. */
function statementsOf(document: string | undefined): readonly Readonly<Record<string, unknown>>[] {
  if (document === undefined) return [];
  const value: unknown = JSON.parse(decodeURIComponent(document));
  const statements: unknown = isObject(value) ? value['Statement'] : [];
  return [statements].flat().filter(isObject);
}

function servicesOf({ AssumeRolePolicyDocument }: Role): string[] {
  return statementsOf(AssumeRolePolicyDocument).flatMap(({ Principal }) =>
    isObject(Principal) ? listOf(Principal['Service']) : [],
  );
}

function listOf(value: unknown): string[] {
  return [value].flat().filter((each): each is string => typeof each === 'string');
}

/** IAM keeps no order; where nothing but the order differs it is that of the parameters. */
function inOrderOf(found: readonly string[], wanted: readonly string[]): string[] {
  const isSame = found.length === wanted.length && found.every((each) => wanted.includes(each));
  return [...(isSame ? wanted : found)];
}
