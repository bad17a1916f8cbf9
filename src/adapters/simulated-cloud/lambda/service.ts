/** Lambda's REST API over the functions of this machine: what is called, on which function, and what may be refused. */

import type { FunctionControl, NewFunction } from '../../../core/function-control.ts';
import { isObject } from '../../../core/json.ts';
import { parseFunctionReference } from '../../../core/lambda-arn.ts';
import type { FunctionInvoker } from '../../../core/ports.ts';
import type { Redactor } from '../../../core/redact.ts';
import type { AwsReply, AwsRequest, AwsService } from '../aws-service.ts';
import { ACCOUNT, AwsError, bodyOf, json, pageOf } from '../aws-service.ts';
import { denies, type DeniedAction } from './denials.ts';
import { invoke, invokeStream } from './invoke.ts';
import {
  aliasOf,
  changesOf,
  configurationOf,
  dropUndefined,
  listOf,
  requiredText,
  textMap,
  textOf,
  weightsOf,
} from './shapes.ts';

export interface LambdaServiceParts {
  readonly invoker: FunctionInvoker;
  readonly control: FunctionControl;
  readonly deny: readonly DeniedAction[];
  readonly redactor: Redactor;
  /** Reads an object of S3, which code may be taken from. `undefined` when there is none. */
  readonly readObject: (at: ObjectPlace) => Promise<Uint8Array | undefined>;
}

export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

/** What a route is called with. */
interface At {
  readonly request: AwsRequest;
  /** Decoded parts of the path that the route leaves open. */
  readonly words: readonly string[];
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly action: string;
  readonly run: (at: At) => Promise<AwsReply>;
}

const MAX_ITEMS = 50;

export class LambdaService implements AwsService {
  readonly name = 'lambda';
  readonly #parts: LambdaServiceParts;
  readonly #routes: readonly Route[];

  constructor(parts: LambdaServiceParts) {
    this.#parts = parts;
    this.#routes = this.#table();
  }

  operationOf(request: AwsRequest): string {
    return this.#routeOf(request)?.route.action ?? '';
  }

  handle(request: AwsRequest): Promise<AwsReply> {
    const found = this.#routeOf(request);
    if (found !== undefined) {
      const words = found.words.map(decode);
      this.#check(found.route.action, words[0]);
      return found.route.run({ request, words });
    }
    throw new AwsError(
      'UnknownOperationException',
      `${request.method} ${request.path.slice(0, 200)} is not known here.`,
      404,
    );
  }

  #routeOf(request: AwsRequest): { readonly route: Route; readonly words: readonly string[] } | undefined {
    const path = request.path.replace(/\/+$/, '');
    for (const route of this.#routes) {
      const match = route.method === request.method ? route.path.exec(path) : null;
      if (match !== null) return { route, words: match.slice(1) };
    }
    return undefined;
  }

  #table(): readonly Route[] {
    const at = (date: string, rest: string): RegExp => new RegExp(`^/${date}${rest.replaceAll('{}', '([^/]+)')}$`);
    const route = (method: string, path: RegExp, action: string, run: Route['run']): Route => ({
      method,
      path,
      action,
      run,
    });
    const one = '/functions/{}';
    return [
      route('POST', at('2015-03-31', `${one}/invocations`), 'InvokeFunction', (each) => this.#invoke(each, invoke)),
      route('POST', at('2021-11-15', `${one}/response-streaming-invocations`), 'InvokeFunction', (each) =>
        this.#invoke(each, invokeStream),
      ),
      route('GET', at('2015-03-31', '/functions'), 'ListFunctions', (each) => this.#list(each)),
      route('POST', at('2015-03-31', '/functions'), 'CreateFunction', (each) => this.#create(each)),
      route('GET', at('2015-03-31', one), 'GetFunction', (each) => this.#get(each)),
      route('DELETE', at('2015-03-31', one), 'DeleteFunction', (each) => this.#delete(each)),
      route('GET', at('2015-03-31', `${one}/configuration`), 'GetFunctionConfiguration', (each) =>
        this.#configuration(each),
      ),
      route('PUT', at('2015-03-31', `${one}/configuration`), 'UpdateFunctionConfiguration', (each) =>
        this.#update(each),
      ),
      route('PUT', at('2015-03-31', `${one}/code`), 'UpdateFunctionCode', (each) => this.#updateCode(each)),
      route('POST', at('2015-03-31', `${one}/versions`), 'PublishVersion', (each) => this.#publish(each)),
      route('GET', at('2015-03-31', `${one}/versions`), 'ListVersionsByFunction', (each) => this.#versions(each)),
      route('POST', at('2015-03-31', `${one}/aliases`), 'CreateAlias', (each) => this.#createAlias(each)),
      route('GET', at('2015-03-31', `${one}/aliases`), 'ListAliases', (each) => this.#aliases(each)),
      route('GET', at('2015-03-31', `${one}/aliases/{}`), 'GetAlias', (each) => this.#alias(each)),
      route('PUT', at('2015-03-31', `${one}/aliases/{}`), 'UpdateAlias', (each) => this.#updateAlias(each)),
      route('DELETE', at('2015-03-31', `${one}/aliases/{}`), 'DeleteAlias', (each) => this.#deleteAlias(each)),
      route('GET', at('2017-03-31', '/tags/{}'), 'ListTags', (each) => this.#tags(each)),
      route('POST', at('2017-03-31', '/tags/{}'), 'TagResource', (each) => this.#tag(each)),
      route('DELETE', at('2017-03-31', '/tags/{}'), 'UntagResource', (each) => this.#untag(each)),
      route('GET', at('2019-09-30', `${one}/concurrency`), 'GetFunctionConcurrency', (each) => this.#concurrency(each)),
      route('PUT', at('2017-10-31', `${one}/concurrency`), 'PutFunctionConcurrency', (each) => this.#setLimit(each)),
      route('DELETE', at('2017-10-31', `${one}/concurrency`), 'DeleteFunctionConcurrency', (each) =>
        this.#setLimit(each),
      ),
      route('GET', at('2015-03-31', `${one}/policy`), 'GetPolicy', (each) => this.#policy(each)),
      route('GET', at('2016-08-19', '/account-settings'), 'GetAccountSettings', () => this.#account()),
    ];
  }

  /** @throws AwsError `AccessDeniedException` for what the configuration denies. */
  #check(action: string, functionWord: string | undefined): void {
    const name = functionWord === undefined ? '' : nameOf(functionWord).name;
    if (!denies(this.#parts.deny, `lambda:${action}`, name)) return;
    const who = `User: arn:aws:iam::${ACCOUNT}:user/zeroplane is not authorized to perform: lambda:${action}`;
    const what = `on resource: arn:aws:lambda:us-east-1:${ACCOUNT}:function:${name}`;
    throw new AwsError(
      'AccessDeniedException',
      `${who} ${what} because clouds.aws.deny of the configuration denies it`,
      403,
    );
  }

  async #invoke({ request, words }: At, run: typeof invoke): Promise<AwsReply> {
    const { name, qualifier } = this.#named({ request, words });
    const { control, invoker, redactor } = this.#parts;
    // A function that does not exist must not be accepted for later.
    const { version } = await control.get(name, qualifier);
    const functionName = qualifier === undefined ? name : `${name}:${qualifier}`;
    return run({ invoker, redactor, functionName, version }, request);
  }

  #named({ request, words }: At): { readonly name: string; readonly qualifier: string | undefined } {
    const found = nameOf(words[0] ?? '');
    const asked = request.query.get('Qualifier') ?? undefined;
    if (asked !== undefined && found.qualifier !== undefined && asked !== found.qualifier)
      throw new AwsError('InvalidParameterValueException', 'The qualifier and the one in the name differ.');
    return { name: found.name, qualifier: asked ?? found.qualifier };
  }

  async #list({ request }: At): Promise<AwsReply> {
    const records = await this.#parts.control.list();
    const page = paged(request, records);
    return json({ Functions: page.items.map(configurationOf), ...nextMarker(page.next) });
  }

  async #create({ request }: At): Promise<AwsReply> {
    const body = bodyOf(request);
    const zip = await this.#zipOf(isObject(body['Code']) ? body['Code'] : {});
    const created: NewFunction = {
      ...changesOf(body),
      name: nameOf(requiredText(body, 'FunctionName')).name,
      ...dropUndefined({
        tags: textMap(body, 'Tags'),
        architectures: listOf(body, 'Architectures'),
        packageType: textOf(body, 'PackageType'),
        zip,
      }),
    };
    return json(configurationOf(await this.#parts.control.create(created)), 201);
  }

  async #get(at: At): Promise<AwsReply> {
    const { name, qualifier } = this.#named(at);
    const record = await this.#parts.control.get(name, qualifier);
    const hasTags = Object.keys(record.tags).length > 0;
    return json({
      Configuration: configurationOf(record),
      Code: { RepositoryType: 'S3' },
      ...(hasTags ? { Tags: record.tags } : {}),
      Concurrency: { ReservedConcurrentExecutions: record.concurrency },
    });
  }

  async #delete(at: At): Promise<AwsReply> {
    const { name, qualifier } = this.#named(at);
    await this.#parts.control.delete(name, qualifier);
    return { status: 204, body: '' };
  }

  async #configuration(at: At): Promise<AwsReply> {
    const { name, qualifier } = this.#named(at);
    return json(configurationOf(await this.#parts.control.get(name, qualifier)));
  }

  async #update(at: At): Promise<AwsReply> {
    const body = bodyOf(at.request);
    const { name } = this.#named(at);
    return json(configurationOf(await this.#parts.control.update(name, changesOf(body), textOf(body, 'RevisionId'))));
  }

  /** @throws AwsError `InvalidParameterValueException` for an object that is not there. */
  async #zipOf(code: Readonly<Record<string, unknown>>): Promise<Uint8Array | undefined> {
    const zip = textOf(code, 'ZipFile');
    if (zip !== undefined) return Buffer.from(zip, 'base64');
    const bucket = textOf(code, 'S3Bucket');
    if (bucket === undefined) return undefined;
    const at = { bucket, key: requiredText(code, 'S3Key'), versionId: textOf(code, 'S3ObjectVersion') };
    const bytes = await this.#parts.readObject(at);
    if (bytes !== undefined) return bytes;
    const what =
      'Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.';
    throw new AwsError('InvalidParameterValueException', what);
  }

  /** Of a function that was created here, what is kept of its code; what executes is never uploaded. */
  async #updateCode(at: At): Promise<AwsReply> {
    const { name } = this.#named(at);
    const { control } = this.#parts;
    const { executes } = await control.get(name);
    if (!executes) {
      const body = bodyOf(at.request);
      const zip = await this.#zipOf(body);
      return json(configurationOf(await control.update(name, dropUndefined({ zip }), textOf(body, 'RevisionId'))));
    }
    const next = `Edit the files behind functions.${name}.code: the next invocation uses them.`;
    throw new AwsError('InvalidParameterValueException', `Code that is uploaded does not execute here. ${next}`);
  }

  async #publish(at: At): Promise<AwsReply> {
    const body = bodyOf(at.request);
    const options = dropUndefined({ description: textOf(body, 'Description'), revisionId: textOf(body, 'RevisionId') });
    const sha = textOf(body, 'CodeSha256');
    const { name } = this.#named(at);
    if (sha !== undefined && sha !== (await this.#parts.control.get(name)).codeSha256)
      throw new AwsError('InvalidParameterValueException', 'CodeSha256 is not that of the current code.');
    return json(configurationOf(await this.#parts.control.publish(name, options)), 201);
  }

  async #versions(at: At): Promise<AwsReply> {
    const versions = await this.#parts.control.versions(this.#named(at).name);
    const page = paged(at.request, versions);
    return json({ Versions: page.items.map(configurationOf), ...nextMarker(page.next) });
  }

  async #createAlias(at: At): Promise<AwsReply> {
    const body = bodyOf(at.request);
    const { name } = this.#named(at);
    const alias = await this.#parts.control.createAlias(name, requiredText(body, 'Name'), {
      functionVersion: requiredText(body, 'FunctionVersion'),
      ...dropUndefined({ description: textOf(body, 'Description'), weights: weightsOf(body) }),
    });
    return json(aliasOf(alias), 201);
  }

  async #aliases(at: At): Promise<AwsReply> {
    const wanted = at.request.query.get('FunctionVersion');
    const aliases = await this.#parts.control.aliases(this.#named(at).name);
    const page = paged(
      at.request,
      aliases.filter((alias) => wanted === null || alias.functionVersion === wanted),
    );
    return json({ Aliases: page.items.map(aliasOf), ...nextMarker(page.next) });
  }

  async #alias(at: At): Promise<AwsReply> {
    return json(aliasOf(await this.#parts.control.alias(this.#named(at).name, at.words[1] ?? '')));
  }

  async #updateAlias(at: At): Promise<AwsReply> {
    const body = bodyOf(at.request);
    const changes = dropUndefined({
      functionVersion: textOf(body, 'FunctionVersion'),
      description: textOf(body, 'Description'),
      weights: weightsOf(body),
    });
    const { name } = this.#named(at);
    const alias = await this.#parts.control.updateAlias(name, at.words[1] ?? '', changes, textOf(body, 'RevisionId'));
    return json(aliasOf(alias));
  }

  async #deleteAlias(at: At): Promise<AwsReply> {
    await this.#parts.control.deleteAlias(this.#named(at).name, at.words[1] ?? '');
    return { status: 204, body: '' };
  }

  async #tags(at: At): Promise<AwsReply> {
    return json({ Tags: (await this.#parts.control.get(this.#named(at).name)).tags });
  }

  async #tag(at: At): Promise<AwsReply> {
    await this.#parts.control.tag(this.#named(at).name, textMap(bodyOf(at.request), 'Tags') ?? {});
    return { status: 204, body: '' };
  }

  async #untag(at: At): Promise<AwsReply> {
    await this.#parts.control.untag(this.#named(at).name, at.request.query.getAll('tagKeys'));
    return { status: 204, body: '' };
  }

  async #concurrency(at: At): Promise<AwsReply> {
    const { concurrency } = await this.#parts.control.get(this.#named(at).name);
    return json({ ReservedConcurrentExecutions: concurrency });
  }

  async #setLimit(at: At): Promise<AwsReply> {
    const { name } = await this.#parts.control.get(this.#named(at).name);
    const next = `Set functions.${name}.concurrency in the configuration.`;
    throw new AwsError('InvalidParameterValueException', `Limits of invocations are not changed here. ${next}`);
  }

  /** Nobody but the holder of the keys calls a function here, so none has a policy. */
  async #policy(at: At): Promise<AwsReply> {
    await this.#parts.control.get(this.#named(at).name);
    throw new AwsError('ResourceNotFoundException', 'The resource you requested does not exist.', 404);
  }

  async #account(): Promise<AwsReply> {
    const records = await this.#parts.control.list();
    const size = records.reduce((sum, record) => sum + record.codeSize, 0);
    return json({
      AccountLimit: { ConcurrentExecutions: 1000, TotalCodeSize: 80_530_636_800 },
      AccountUsage: { FunctionCount: records.length, TotalCodeSize: size },
    });
  }
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    throw new AwsError('InvalidParameterValueException', 'The path is not well encoded.');
  }
}

/** A name, an ARN, or `ACCOUNT:function:NAME`, each with an optional qualifier. */
function nameOf(word: string): { readonly name: string; readonly qualifier: string | undefined } {
  const partial = /^\d{12}:function:(.+)$/.exec(word)?.[1];
  const found = parseFunctionReference(partial ?? word);
  if (found === undefined)
    throw new AwsError(
      'InvalidParameterValueException',
      `"${word.slice(0, 140)}" is not the name or ARN of a function.`,
    );
  return { name: found.name, qualifier: found.qualifier };
}

function paged<Item>(request: AwsRequest, items: readonly Item[]): ReturnType<typeof pageOf<Item>> {
  const asked = Number(request.query.get('MaxItems') ?? MAX_ITEMS);
  if (!Number.isInteger(asked) || asked < 1)
    throw new AwsError('InvalidParameterValueException', 'MaxItems must be a whole number from 1 on.');
  return pageOf(items, request.query.get('Marker') ?? undefined, Math.min(asked, MAX_ITEMS));
}

function nextMarker(next: string | undefined): { readonly NextMarker?: string } {
  return next === undefined ? {} : { NextMarker: next };
}
