/**
 * The pair that stands for all functions where they are too many for a list, or cannot be listed at start: one tool that
 * lists them and one that invokes one of them. Everything else is the target around which it stands.
 */

import type { Principal, RequestContext } from '../../core/context.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { isObject, rawMembers, scan } from '../../core/json.ts';
import type {
  Exchange,
  Target,
  TargetCall,
  TargetChange,
  TargetListing,
  TargetResult,
  TargetStatus,
} from '../../core/target.ts';
import type { Tags } from '../../core/visibility.ts';
import { errorResult } from '../function-result.ts';
import type { FunctionTarget } from '../function-target.ts';
import type { Asked } from '../registry-calls.ts';
import { define } from '../tenant-catalogue.ts';
import type { FunctionSources } from './function-sources.ts';

const LIST_TOOL = 'list_lambda_functions';
const INVOKE_TOOL = 'invoke_lambda_function';

const DEFINITIONS = [
  {
    name: LIST_TOOL,
    title: 'List Lambda functions',
    description: `Lists the AWS Lambda functions that ${INVOKE_TOOL} can invoke, with what each one does and expects.`,
    inputSchema: { type: 'object', properties: {} },
    annotations: { readOnlyHint: true },
  },
  {
    name: INVOKE_TOOL,
    title: 'Invoke a Lambda function',
    description: `Invokes an AWS Lambda function by its name and returns what it answers. Ask ${LIST_TOOL} for names.`,
    inputSchema: {
      type: 'object',
      properties: {
        function_name: { type: 'string', description: `The function, as ${LIST_TOOL} names it.` },
        parameters: { type: 'object', description: 'The event that the function receives.' },
      },
      required: ['function_name'],
    },
  },
].map((value) => define('tool', value.name, value));

type IsThere = (principal: Principal, tags: Tags | undefined) => boolean;

export class GenericTarget implements Target {
  readonly id: string;
  readonly kind: Target['kind'];
  readonly label: Target['label'];
  readonly perTenant = true;
  readonly #inner: FunctionTarget;
  readonly #sources: FunctionSources;
  readonly #isThere: IsThere;

  /** @param isThere - Whether a function with these tags may be known to a caller: the pair names functions, not tools. */
  constructor(inner: FunctionTarget, sources: FunctionSources, isThere: IsThere = () => true) {
    this.id = inner.id;
    this.kind = inner.kind;
    this.label = inner.label;
    this.#inner = inner;
    this.#sources = sources;
    this.#isThere = isThere;
  }

  async list(context: RequestContext): Promise<TargetListing> {
    const listing = await this.#inner.list(context);
    if (!this.#sources.isGeneric) return listing;
    const taken = new Set(listing.definitions.map((each) => each.key));
    const own = DEFINITIONS.filter((each) => !taken.has(each.key));
    return { ...listing, definitions: [...listing.definitions, ...own] };
  }

  async call(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<TargetResult> {
    // A registration of the same name was listed in place of ours, so it is called in its place.
    const isOurs = call.definition === undefined || DEFINITIONS.some((each) => each.text === call.definition?.text);
    if (this.#sources.isGeneric && call.method === 'tools/call' && isOurs) {
      if (call.name === LIST_TOOL) return { text: await this.#listFunctions(context) };
      if (call.name === INVOKE_TOOL) return { text: await this.#invokeFunction({ call, exchange, context }) };
    }
    return this.#inner.call(call, exchange, context);
  }

  onChange(listener: (change: TargetChange) => void): () => void {
    return this.#inner.onChange(listener);
  }

  status(): TargetStatus {
    return this.#inner.status();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #listFunctions(context: RequestContext): Promise<string> {
    const selected = await this.#sources.selected(context.tenant);
    const found = selected.filter(({ tags }) => this.#isThere(context.principal, tags));
    const { state, reason } = this.#sources.aws?.status ?? {};
    if (found.length === 0 && state === 'failed')
      return refusal('TARGET_UNAVAILABLE', `The functions cannot be listed: ${reason}`, context);
    const functions = found.map(({ name, description }) => ({
      FunctionName: name,
      ...(description ? { Description: description } : {}),
    }));
    const text = JSON.stringify(functions);
    return JSON.stringify({ content: [{ type: 'text', text }], structuredContent: { functions } });
  }

  async #invokeFunction({ call, exchange, context }: Asked): Promise<string> {
    const args = isObject(call.parsed['arguments']) ? call.parsed['arguments'] : {};
    const name = args['function_name'];
    if (typeof name !== 'string')
      return refusal('INVALID_ARGUMENTS', '"function_name" is required and must be a text.', context);
    if (args['parameters'] !== undefined && !isObject(args['parameters']))
      return refusal(
        'INVALID_ARGUMENTS',
        '"parameters" must be an object: the event that the function receives.',
        context,
      );
    const found = this.#sources.find(name, context.tenant);
    if (found === undefined || !this.#isThere(context.principal, found.tags))
      return refusal('FUNCTION_NOT_FOUND', `Function ${name.slice(0, 200)} is not valid`, context);
    const params = innerArguments(call);
    const parsed = { ...call.parsed, arguments: args['parameters'] ?? {} };
    return this.#inner.callFunction(found, { call: { ...call, name, params, parsed }, exchange, context });
  }
}

function refusal(code: ErrorCode, message: string, { requestId }: RequestContext): string {
  return errorResult({ code, message, requestId });
}

/** `parameters` as the arguments of the function's own call, as the text that arrived. */
function innerArguments(call: TargetCall): TargetCall['params'] {
  const outer = call.params.find((member) => member.key === 'arguments')?.text ?? '{}';
  const { object } = scan(outer, 1);
  const members = object === undefined ? [] : rawMembers(outer, object);
  const text = members.find((member) => member.key === 'parameters')?.text ?? '{}';
  return [{ key: 'arguments', text }];
}
