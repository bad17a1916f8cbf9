/**
 * The functions of an AWS account and region, as the caller's own credentials see them: names by `ListFunctions`, tags
 * a hundred functions at a time by the tagging service, or one by one where only Lambda may be asked.
 */

import type { FunctionConfiguration } from '@aws-sdk/client-lambda';
import { PlatformError } from '../../core/errors.ts';
import type { DirectoryEntry, FunctionDirectory } from '../../core/ports.ts';
import type { AwsClients, AwsOptions } from './aws-clients.ts';
import { awsError, isDenied, mayReadAgain, type Asked } from './aws-errors.ts';
import { inParallel, withRetries } from './retries.ts';

/** The most that one `GetResources` gives. */
const TAG_PAGE = 100;
const TAG_READS_AT_ONCE = 5;
const ATTEMPTS = 6;
/** 50 functions a page: more than any account may have. */
const MAX_PAGES = 2_000;

const SCHEMA_ARN = /^arn:[\w-]+:schemas:[\w-]*:\d*:schema\/([^/]+)\/(.+)$/;

type Tags = ReadonlyMap<string, Readonly<Record<string, string>>>;

export class AwsFunctionDirectory implements FunctionDirectory {
  readonly label: FunctionDirectory['label'];
  readonly #clients: AwsClients;
  readonly #options: AwsOptions;
  /** The tagging service was refused once: it is not asked again by this process. */
  #asksLambdaForTags = false;

  constructor(clients: AwsClients, options: AwsOptions) {
    this.#clients = clients;
    this.#options = options;
    this.label = clients.label;
  }

  async list(): Promise<readonly DirectoryEntry[]> {
    const functions = await this.#functions();
    const tags = await this.#tags(functions.map((each) => each.FunctionArn ?? ''));
    return functions.map((each) => toEntry(each, tags.get(each.FunctionArn ?? '') ?? {}));
  }

  async schema(arn: string): Promise<string> {
    const [, RegistryName, SchemaName] = SCHEMA_ARN.exec(arn) ?? [];
    if (RegistryName === undefined || SchemaName === undefined)
      throw new PlatformError(
        'INVALID_ARGUMENTS',
        `"${arn.slice(0, 200)}" is not the ARN of a schema: arn:aws:schemas:<region>:<account>:schema/<registry>/<name>.`,
      );
    const client = await this.#clients.schemas();
    const { DescribeSchemaCommand } = await import('@aws-sdk/client-schemas');
    // Without a version the newest one is described.
    const { Content } = await this.#read({ right: 'schemas:DescribeSchema', name: arn }, () =>
      client.send(new DescribeSchemaCommand({ RegistryName, SchemaName })),
    );
    return Content ?? '';
  }

  async mayInvoke(functionName: string): Promise<boolean> {
    const client = await this.#clients.lambda();
    const { InvokeCommand } = await import('@aws-sdk/client-lambda');
    const asked = { right: 'lambda:InvokeFunction', name: functionName };
    try {
      await this.#retried(() =>
        client.send(new InvokeCommand({ FunctionName: functionName, InvocationType: 'DryRun' })),
      );
      return true;
    } catch (error) {
      if (isDenied(error)) return false;
      throw awsError(error, asked);
    }
  }

  async #functions(): Promise<readonly FunctionConfiguration[]> {
    const client = await this.#clients.lambda();
    const { ListFunctionsCommand } = await import('@aws-sdk/client-lambda');
    const asked = { right: 'lambda:ListFunctions' };
    const functions: FunctionConfiguration[] = [];
    let marker: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const input = marker === undefined ? {} : { Marker: marker };
      const answer = await this.#read(asked, () => client.send(new ListFunctionsCommand(input)));
      functions.push(...(answer.Functions ?? []));
      if (!answer.NextMarker) return functions;
      if (answer.NextMarker === marker) break;
      marker = answer.NextMarker;
    }
    throw new PlatformError('TARGET_PROTOCOL_ERROR', 'The list of functions of AWS does not end.', asked);
  }

  async #tags(arns: readonly string[]): Promise<Tags> {
    if (arns.length === 0) return new Map();
    if (this.#asksLambdaForTags) return this.#tagsOfEach(arns);
    try {
      return await this.#tagsInPages();
    } catch (error) {
      // Many callers may read Lambda and nothing else.
      if (!(error instanceof PlatformError) || error.code !== 'FUNCTION_DENIED') throw error;
      this.#asksLambdaForTags = true;
      return this.#tagsOfEach(arns);
    }
  }

  async #tagsInPages(): Promise<Tags> {
    const client = await this.#clients.tagging();
    const { GetResourcesCommand } = await import('@aws-sdk/client-resource-groups-tagging-api');
    const asked = { right: 'tag:GetResources' };
    const input = { ResourceTypeFilters: ['lambda:function'], ResourcesPerPage: TAG_PAGE };
    // A function that never had a tag is not in the answer.
    const tags = new Map<string, Readonly<Record<string, string>>>();
    let token: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const more = token === undefined ? {} : { PaginationToken: token };
      const answer = await this.#read(asked, () => client.send(new GetResourcesCommand({ ...input, ...more })));
      for (const { ResourceARN, Tags: list } of answer.ResourceTagMappingList ?? [])
        tags.set(ResourceARN ?? '', Object.fromEntries((list ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? ''])));
      if (!answer.PaginationToken) return tags;
      if (answer.PaginationToken === token) break;
      token = answer.PaginationToken;
    }
    throw new PlatformError('TARGET_PROTOCOL_ERROR', 'The list of tags of AWS does not end.', asked);
  }

  async #tagsOfEach(arns: readonly string[]): Promise<Tags> {
    const client = await this.#clients.lambda();
    const { ListTagsCommand } = await import('@aws-sdk/client-lambda');
    const answers = await inParallel(arns, TAG_READS_AT_ONCE, async (Resource) => {
      const { Tags: tags } = await this.#read({ right: 'lambda:ListTags', name: Resource }, () =>
        client.send(new ListTagsCommand({ Resource })),
      ).catch((error: unknown) => {
        // Deleted since the list was read, or not this caller's to look at: without tags it is not selected by one.
        if (error instanceof PlatformError && ['FUNCTION_NOT_FOUND', 'FUNCTION_DENIED'].includes(error.code))
          return { Tags: {} };
        throw error;
      });
      return [Resource, tags ?? {}] as const;
    });
    return new Map(answers);
  }

  async #read<Result>(asked: Asked, run: () => Promise<Result>): Promise<Result> {
    try {
      return await this.#retried(run);
    } catch (error) {
      throw awsError(error, asked);
    }
  }

  #retried<Result>(run: () => Promise<Result>): Promise<Result> {
    const { clock, random = Math.random } = this.#options;
    return withRetries({ clock, random, attempts: ATTEMPTS }, run, mayReadAgain);
  }
}

function toEntry(found: FunctionConfiguration, tags: Readonly<Record<string, string>>): DirectoryEntry {
  return {
    name: found.FunctionName ?? '',
    arn: found.FunctionArn ?? '',
    runtime: found.Runtime ?? '',
    description: found.Description ?? '',
    tags,
    timeoutSeconds: found.Timeout ?? 3,
    memoryMb: found.MemorySize ?? 128,
    version: found.Version ?? '$LATEST',
    codeSha256: found.CodeSha256 ?? '',
  };
}
