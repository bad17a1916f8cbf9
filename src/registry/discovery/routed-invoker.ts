/**
 * One invoker over functions here and in AWS. A bare name is a function of the configuration. An ARN leads to AWS when
 * it was discovered there or calls are live, and its account is not the one that stands for this machine; otherwise
 * its name decides.
 */

import type { RequestContext } from '../../core/context.ts';
import { parseFunctionReference } from '../../core/lambda-arn.ts';
import type {
  FunctionInfo,
  FunctionInvoker,
  Invocation,
  InvocationResult,
  StreamedInvocation,
} from '../../core/ports.ts';

export interface Routes {
  readonly local: FunctionInvoker;
  readonly aws: FunctionInvoker;
  /** Whether this ARN, without qualifier, was found in AWS. */
  readonly isDiscovered: (arn: string) => boolean;
  /** ARNs of other accounts that were only registered lead to AWS too. */
  readonly isLive: boolean;
}

const LOCAL_ACCOUNT = '000000000000';

export class RoutedInvoker implements FunctionInvoker {
  readonly label: FunctionInvoker['label'];
  readonly #routes: Routes;

  constructor(routes: Routes) {
    this.#routes = routes;
    this.label = routes.local.label;
  }

  list(): readonly FunctionInfo[] {
    return this.#routes.local.list();
  }

  invoke(invocation: Invocation, context: RequestContext): Promise<InvocationResult> {
    return this.#of(invocation.functionName).invoke(invocation, context);
  }

  async invokeStream(invocation: Invocation, context: RequestContext): Promise<StreamedInvocation> {
    const invoker = this.#of(invocation.functionName);
    if (invoker.invokeStream !== undefined) return invoker.invokeStream(invocation, context);
    throw new TypeError('The invoker behind this function does not stream.');
  }

  #of(functionName: string): FunctionInvoker {
    const { local, aws, isDiscovered, isLive } = this.#routes;
    const reference = parseFunctionReference(functionName);
    if (reference === undefined) return local;
    if (!functionName.startsWith('arn:'))
      return local.list().some((each) => each.name === reference.name) ? local : aws;
    const parts = functionName.split(':');
    if (isDiscovered(parts.slice(0, 7).join(':'))) return aws;
    return isLive && parts[4] !== LOCAL_ACCOUNT ? aws : local;
  }
}
