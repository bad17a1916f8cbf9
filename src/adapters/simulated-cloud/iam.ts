/** IAM: roles, and what programs may do, which they ask before they do it. */

import { parseFunctionReference } from '../../core/lambda-arn.ts';
import { xml } from './aws-errors.ts';
import type { AwsReply, AwsRequest, AwsService } from './aws-service.ts';
import { AwsError } from './aws-service.ts';
import { denies } from './lambda/denials.ts';
import type { DeniedAction } from './lambda/denials.ts';
import { Roles } from './iam/roles.ts';
import type { RolesParts } from './iam/roles.ts';
import { Form, queryReply } from './query-operations.ts';

const SIMULATE = 'SimulatePrincipalPolicy';
const NAMESPACE = 'https://iam.amazonaws.com/doc/2010-05-08/';
/** Actions times resources. */
const MAX_EVALUATIONS = 10_000;

export class IamService implements AwsService {
  readonly name = 'iam';
  readonly protocol = 'query';
  readonly #deny: readonly DeniedAction[];
  readonly #roles: Roles;

  constructor(deny: readonly DeniedAction[], parts: RolesParts) {
    this.#deny = deny;
    this.#roles = new Roles(parts);
  }

  operationOf(request: AwsRequest): string {
    const { action } = Form.of(request);
    return action === SIMULATE || this.#roles.operations.has(action) ? action : '';
  }

  async handle(request: AwsRequest): Promise<AwsReply> {
    const form = Form.of(request);
    const { action } = form;
    if (action === SIMULATE) return this.#simulate(request);
    const operation = this.#roles.operations.get(action);
    if (operation === undefined)
      throw new AwsError('InvalidAction', `The action ${action.slice(0, 60)} is not known here.`);
    return queryReply(action, NAMESPACE, await operation(form, request), request.context.requestId);
  }

  #simulate(request: AwsRequest): AwsReply {
    const form = new URLSearchParams(request.body.toString('utf8'));
    const actions = members(form, 'ActionNames');
    const named = members(form, 'ResourceArns');
    const resources = named.length === 0 ? ['*'] : named;
    if (actions.length === 0) throw new AwsError('ValidationError', 'ActionNames is missing.');
    if (actions.length * resources.length > MAX_EVALUATIONS)
      throw new AwsError('ValidationError', `At most ${MAX_EVALUATIONS} actions on resources are judged at a time.`);
    const results = actions.flatMap((each) => resources.map((resource) => this.#judge(each, resource)));
    const result = `<EvaluationResults>${results.join('')}</EvaluationResults><IsTruncated>false</IsTruncated>`;
    const { requestId } = request.context;
    const text = `<SimulatePrincipalPolicyResponse xmlns="${NAMESPACE}"><SimulatePrincipalPolicyResult>${result}</SimulatePrincipalPolicyResult><ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>`;
    return { status: 200, headers: { 'content-type': 'text/xml' }, body: text };
  }

  #judge(action: string, resource: string): string {
    const name = parseFunctionReference(resource)?.name ?? '';
    const decision = denies(this.#deny, action, name) ? 'explicitDeny' : 'allowed';
    return `<member><EvalActionName>${xml(action)}</EvalActionName><EvalResourceName>${xml(resource)}</EvalResourceName><EvalDecision>${decision}</EvalDecision></member>`;
  }
}

/** `NAME.member.1`, `NAME.member.2`, … */
function members(form: URLSearchParams, name: string): string[] {
  return [...form].flatMap(([key, value]) => (key.startsWith(`${name}.member.`) ? [value] : []));
}
