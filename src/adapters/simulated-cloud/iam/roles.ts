/** IAM's roles with their tags and policies. What a policy allows is kept and not judged. */

import type { Clock, IdSource } from '../../../core/ports.ts';
import { ACCOUNT, AwsError } from '../aws-service.ts';
import type { Form, Members, QueryOperation } from '../query-operations.ts';
import type { SimulatedState, Value } from '../simulated-state.ts';
import type { XmlValue } from '../xml.ts';

export interface RolesParts {
  readonly state: SimulatedState;
  readonly clock: Clock;
  readonly ids: IdSource;
}

interface StoredRole extends Value {
  readonly name: string;
  readonly path: string;
  readonly roleId: string;
  readonly createdAt: string;
  /** JSON, as it was given. */
  readonly trust: string;
  readonly description: string;
  readonly maxSessionSeconds: number;
  readonly boundary: string;
  readonly tags: { readonly [key: string]: string };
  /** ARNs of policies of AWS or of the account. */
  readonly attached: readonly string[];
  /** JSON by the policy's name. */
  readonly inline: { readonly [name: string]: string };
}

const ROLE = 'iam-role';

export class Roles {
  readonly operations: ReadonlyMap<string, QueryOperation>;
  readonly #parts: RolesParts;

  constructor(parts: RolesParts) {
    this.#parts = parts;
    this.operations = new Map<string, QueryOperation>([
      ['CreateRole', (form) => this.#create(form)],
      ['GetRole', async (form) => ({ Role: describe(await this.#require(form)) })],
      ['ListRoles', () => this.#list()],
      ['DeleteRole', (form) => this.#delete(form)],
      ['UpdateRole', (form) => this.#update(form)],
      ['UpdateAssumeRolePolicy', (form) => this.#trust(form)],
      ['TagRole', (form) => this.#tag(form)],
      ['UntagRole', (form) => this.#untag(form)],
      ['ListRoleTags', async (form) => ({ Tags: tagsXml(await this.#require(form)), IsTruncated: false })],
      ['AttachRolePolicy', (form) => this.#attach(form)],
      ['DetachRolePolicy', (form) => this.#detach(form)],
      ['ListAttachedRolePolicies', (form) => this.#attached(form)],
      ['PutRolePolicy', (form) => this.#putPolicy(form)],
      ['GetRolePolicy', (form) => this.#policy(form)],
      ['DeleteRolePolicy', (form) => this.#deletePolicy(form)],
      ['ListRolePolicies', (form) => this.#policies(form)],
      ['ListInstanceProfilesForRole', () => Promise.resolve({ InstanceProfiles: {}, IsTruncated: false })],
    ]);
  }

  async #create(form: Form): Promise<Members> {
    const { state, clock, ids } = this.#parts;
    const name = required(form, 'RoleName');
    if (!/^[\w+=,.@-]{1,64}$/.test(name)) throw invalid('The specified value for roleName is invalid.');
    const role: StoredRole = {
      name,
      path: form.text('Path') ?? '/',
      roleId: `AROA${ids.uuid().replaceAll('-', '').slice(0, 17).toUpperCase()}`,
      createdAt: new Date(clock.nowMs()).toISOString(),
      trust: policyIn(form, 'AssumeRolePolicyDocument'),
      description: form.text('Description') ?? '',
      maxSessionSeconds: Number(form.text('MaxSessionDuration') ?? 3_600),
      boundary: form.text('PermissionsBoundary') ?? '',
      tags: tagsIn(form),
      attached: [],
      inline: {},
    };
    if (await state.create(ROLE, name, role)) return { Role: describe(role) };
    throw new AwsError('EntityAlreadyExists', `Role with name ${name} already exists.`, 409);
  }

  async #list(): Promise<Members> {
    const roles = await this.#parts.state.list<StoredRole>(ROLE);
    return { Roles: { member: roles.map(({ value }) => describe(value)) }, IsTruncated: false };
  }

  async #delete(form: Form): Promise<Members> {
    const role = await this.#require(form);
    const left = Object.keys(role.inline).length > 0 ? 'delete policies first.' : 'must detach all policies first.';
    if (Object.keys(role.inline).length > 0 || role.attached.length > 0)
      throw new AwsError('DeleteConflict', `Cannot delete entity, ${left}`, 409);
    await this.#parts.state.delete(ROLE, role.name);
    return {};
  }

  async #update(form: Form): Promise<Members> {
    const [description, seconds] = [form.text('Description'), form.text('MaxSessionDuration')];
    await this.#change(form, (role) => ({
      ...role,
      ...(description === undefined ? {} : { description }),
      ...(seconds === undefined ? {} : { maxSessionSeconds: Number(seconds) }),
    }));
    return {};
  }

  async #trust(form: Form): Promise<Members> {
    const trust = policyIn(form, 'PolicyDocument');
    await this.#change(form, (role) => ({ ...role, trust }));
    return {};
  }

  async #tag(form: Form): Promise<Members> {
    const tags = tagsIn(form);
    await this.#change(form, (role) => ({ ...role, tags: { ...role.tags, ...tags } }));
    return {};
  }

  async #untag(form: Form): Promise<Members> {
    const keys = form.list('TagKeys.member');
    await this.#change(form, (role) => ({
      ...role,
      tags: Object.fromEntries(Object.entries(role.tags).filter(([key]) => !keys.includes(key))),
    }));
    return {};
  }

  async #attach(form: Form): Promise<Members> {
    const arn = required(form, 'PolicyArn');
    if (!/^arn:aws[\w-]*:iam::(?:aws|\d{12}):policy\/.+$/.test(arn)) throw invalid(`ARN ${arn} is not valid.`);
    await this.#change(form, (role) =>
      role.attached.includes(arn) ? role : { ...role, attached: [...role.attached, arn] },
    );
    return {};
  }

  async #detach(form: Form): Promise<Members> {
    const arn = required(form, 'PolicyArn');
    await this.#change(form, (role) => {
      if (!role.attached.includes(arn)) throw absent(`Policy ${arn} was not found.`);
      return { ...role, attached: role.attached.filter((each) => each !== arn) };
    });
    return {};
  }

  async #attached(form: Form): Promise<Members> {
    const { attached } = await this.#require(form);
    const member = attached.map((PolicyArn) => ({ PolicyName: PolicyArn.split('/').at(-1), PolicyArn }));
    return { AttachedPolicies: { member }, IsTruncated: false };
  }

  async #putPolicy(form: Form): Promise<Members> {
    const [name, document] = [required(form, 'PolicyName'), policyIn(form, 'PolicyDocument')];
    await this.#change(form, (role) => ({ ...role, inline: { ...role.inline, [name]: document } }));
    return {};
  }

  async #policy(form: Form): Promise<Members> {
    const [role, PolicyName] = [await this.#require(form), required(form, 'PolicyName')];
    const document = Object.hasOwn(role.inline, PolicyName) ? role.inline[PolicyName] : undefined;
    if (document === undefined) throw absent(`The role policy with name ${PolicyName} cannot be found.`);
    return { RoleName: role.name, PolicyName, PolicyDocument: encodeURIComponent(document) };
  }

  async #deletePolicy(form: Form): Promise<Members> {
    const name = required(form, 'PolicyName');
    await this.#change(form, (role) => {
      if (!Object.hasOwn(role.inline, name)) throw absent(`The role policy with name ${name} cannot be found.`);
      return { ...role, inline: Object.fromEntries(Object.entries(role.inline).filter(([key]) => key !== name)) };
    });
    return {};
  }

  async #policies(form: Form): Promise<Members> {
    const { inline } = await this.#require(form);
    return { PolicyNames: { member: Object.keys(inline) }, IsTruncated: false };
  }

  async #require(form: Form): Promise<StoredRole> {
    const name = required(form, 'RoleName');
    const role = await this.#parts.state.get<StoredRole>(ROLE, name);
    if (role === undefined) throw absent(`The role with name ${name} cannot be found.`);
    return role;
  }

  async #change(form: Form, change: (role: StoredRole) => StoredRole): Promise<void> {
    const name = required(form, 'RoleName');
    const changed = await this.#parts.state.update<StoredRole>(ROLE, name, change);
    if (changed === undefined) throw absent(`The role with name ${name} cannot be found.`);
  }
}

function describe(role: StoredRole): XmlValue {
  const { name, path, roleId, createdAt, trust, description, maxSessionSeconds, boundary } = role;
  return {
    Path: path,
    RoleName: name,
    RoleId: roleId,
    Arn: `arn:aws:iam::${ACCOUNT}:role${path}${name}`,
    CreateDate: createdAt,
    AssumeRolePolicyDocument: encodeURIComponent(trust),
    Description: description === '' ? undefined : description,
    MaxSessionDuration: maxSessionSeconds,
    PermissionsBoundary:
      boundary === ''
        ? undefined
        : { PermissionsBoundaryType: 'PermissionsBoundaryPolicy', PermissionsBoundaryArn: boundary },
    Tags: tagsXml(role),
  };
}

function tagsXml({ tags }: StoredRole): XmlValue {
  return { member: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
}

/** @throws AwsError `ValidationError`, `InvalidInput`, `LimitExceeded`. */
function tagsIn(form: Form): Record<string, string> {
  const tags = new Map<string, string>();
  for (const tag of form.parts('Tags.member')) {
    const [key = '', value = ''] = [tag.text('Key'), tag.text('Value')];
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u.test(key) || !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u.test(value))
      throw new AwsError('ValidationError', `The tag ${key.slice(0, 130)} does not satisfy the pattern of tags`, 400);
    if (key.startsWith('aws:')) throw invalid('Tag keys beginning with aws: are reserved.');
    tags.set(key, value);
  }
  if (tags.size > 50) throw new AwsError('LimitExceeded', 'The number of tags has reached the maximum limit.', 409);
  return Object.fromEntries(tags);
}

function policyIn(form: Form, name: string): string {
  const text = required(form, name);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'Statement' in value) return text;
  } catch {
    // Told below, like a document without statements.
  }
  throw new AwsError('MalformedPolicyDocument', 'Syntax errors in policy.', 400);
}

function required(form: Form, name: string): string {
  const text = form.text(name);
  if (text !== undefined) return text;
  throw new AwsError('ValidationError', `The parameter ${name} is missing.`, 400);
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidInput', message, 400);
}

function absent(message: string): AwsError {
  return new AwsError('NoSuchEntity', message, 404);
}
