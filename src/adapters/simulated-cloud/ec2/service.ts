/** EC2's query API: one request after the other, so that what depends on what is judged on something that stands still. */

import { AwsError } from '../aws-service.ts';
import type { AwsReply, AwsRequest, AwsService } from '../aws-service.ts';
import { Form } from '../query-operations.ts';
import type { Members } from '../query-operations.ts';
import { membersToXml } from '../xml.ts';
import { Account, tagsIn } from './account.ts';
import type { Ec2Parts } from './account.ts';
import { instances } from './instances.ts';
import { DONE, networks } from './networks.ts';
import type { Operation } from './networks.ts';
import { routing } from './routing.ts';
import { KINDS } from './shapes.ts';
import type { Prefix } from './shapes.ts';

const NAMESPACE = 'http://ec2.amazonaws.com/doc/2016-11-15/';

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ...networks,
  ...routing,
  ...instances,
  ['CreateTags', createTags],
  ['DeleteTags', deleteTags],
]);

export class Ec2Service implements AwsService {
  readonly name = 'ec2';
  readonly protocol = 'ec2';
  readonly #parts: Ec2Parts;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: Ec2Parts) {
    this.#parts = parts;
  }

  operationOf(request: AwsRequest): string {
    const { action } = Form.of(request);
    return OPERATIONS.has(action) ? action : '';
  }

  async handle(request: AwsRequest): Promise<AwsReply> {
    const form = Form.of(request);
    const { action } = form;
    const operation = OPERATIONS.get(action);
    if (operation === undefined)
      throw new AwsError('InvalidAction', `The action ${action.slice(0, 60)} is not valid for this web service.`);
    const account = new Account(this.#parts, request.region, request.extraMs ?? 0);
    const members = await this.#inTurn(async () => {
      await account.prepare();
      return operation(form, account);
    });
    const id = `<requestId>${request.context.requestId}</requestId>`;
    const text = `<${action}Response xmlns="${NAMESPACE}">${id}${membersToXml(members)}</${action}Response>`;
    return { status: 200, headers: { 'content-type': 'text/xml;charset=UTF-8' }, body: text };
  }

  #inTurn(run: () => Promise<Members>): Promise<Members> {
    const result = this.#turn.then(run, run);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

async function createTags(form: Form, account: Account): Promise<Members> {
  const tags = Object.fromEntries(tagsIn(form));
  await retag(form, account, (before) => ({ ...before, ...tags }));
  return DONE;
}

async function deleteTags(form: Form, account: Account): Promise<Members> {
  const keys = [...tagsIn(form).keys()];
  await retag(form, account, (before) =>
    Object.fromEntries(Object.entries(before).filter(([key]) => keys.length > 0 && !keys.includes(key))),
  );
  return DONE;
}

async function retag(
  form: Form,
  account: Account,
  change: (tags: Readonly<Record<string, string>>) => Record<string, string>,
): Promise<void> {
  for (const id of form.list('ResourceId')) {
    const prefix = prefixOf(id);
    const thing = await account.require(prefix, id);
    await account.put(prefix, { ...thing, tags: change(thing.tags) });
  }
}

/** @throws AwsError `InvalidID` for an id of nothing that is simulated. */
function prefixOf(id: string): Prefix {
  const prefix = id.slice(0, id.indexOf('-'));
  if (Object.hasOwn(KINDS, prefix)) return prefix as Prefix;
  throw new AwsError('InvalidID', `The ID '${id.slice(0, 60)}' is not valid`);
}
