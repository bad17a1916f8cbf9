/**
 * The names of `@aws/run-mcp-servers-with-aws-lambda`, so that changing the import is all there is to do. They differ
 * from it in one thing that matters: the server's process is kept for the next call.
 */

import type { HandlerOptions } from './handler-core.ts';
import type { HttpAnswer, HttpRequest } from './http-event.ts';
import type { JsonRpcObject, LambdaContext, ServerParameters } from './lambda-event.ts';
import type { JsonRpcRequest, RequestHandler } from './answerers.ts';
import type { Answerer } from './streamable-http.ts';
import { agentCoreRequest, agentCoreResult } from './agentcore-event.ts';
import { HandlerAnswerer, ServerAnswerer } from './answerers.ts';
import { answerJsonRpc } from './direct-events.ts';
import { HandlerCore } from './handler-core.ts';
import { readHttpEvent } from './http-event.ts';
import { answerHttp } from './streamable-http.ts';

/** One core for each server that was named: whoever passes the same parameters again gets the same processes. */
const cores = new Map<string, HandlerCore>();

function coreOf(parameters: HandlerOptions): HandlerCore {
  const key = JSON.stringify(parameters);
  let core = cores.get(key);
  if (core === undefined) {
    core = new HandlerCore(parameters);
    cores.set(key, core);
  }
  return core;
}

/** Ends the processes of every server that was named to the functions and classes of this module. */
export async function closeServers(): Promise<void> {
  const closing = [...cores.values()].map((core) => core.close());
  cores.clear();
  await Promise.all(closing);
}

/**
 * Answers one JSON-RPC message from a stdio server.
 *
 * @returns `{jsonrpc, id, result}`, `{jsonrpc, id, error}`, or `{}` for a notification. Never rejects.
 */
export function stdioServerAdapter(
  parameters: ServerParameters | HandlerOptions,
  event: unknown,
  context: LambdaContext = {},
): Promise<JsonRpcObject> {
  return coreOf(parameters).invocation(event, context, (runner) => answerJsonRpc(event, runner));
}

/** Answers requests from a stdio server; for the handlers below. */
export class StdioServerAdapterRequestHandler implements RequestHandler {
  readonly #parameters: ServerParameters | HandlerOptions;

  constructor(parameters: ServerParameters | HandlerOptions) {
    this.#parameters = parameters;
  }

  handleRequest(request: JsonRpcRequest, context: LambdaContext): Promise<JsonRpcObject> {
    return stdioServerAdapter(this.#parameters, request, context);
  }

  /** The way of our own handlers: headers, progress and original texts reach the server. */
  answering<Result>(
    event: unknown,
    context: LambdaContext,
    run: (answerer: Answerer) => Promise<Result>,
  ): Promise<Result> {
    return coreOf(this.#parameters).invocation(event, context, (runner) => run(new ServerAnswerer(runner, false)));
  }
}

/** Streamable HTTP for one kind of event: what its subclasses read from an event and write into an answer. */
export abstract class StreamableHttpHandler<Event, Result> {
  protected readonly requestHandler: RequestHandler;

  constructor(requestHandler: RequestHandler) {
    this.requestHandler = requestHandler;
  }

  /** Answers one event. Never rejects. */
  async handle(event: Event, context: LambdaContext = {}): Promise<Result> {
    const request = this.parseEvent(event);
    const answer = async (answerer: Answerer): Promise<Result> => {
      const given = await answerHttp(request, answerer, { cors: '*' });
      return this.formatResponse(given ?? { statusCode: 500, headers: {}, body: '' });
    };
    const { requestHandler } = this;
    if (requestHandler instanceof StdioServerAdapterRequestHandler)
      return requestHandler.answering(event, context, answer);
    return answer(new HandlerAnswerer(requestHandler, context));
  }

  protected abstract parseEvent(event: Event): HttpRequest;
  protected abstract formatResponse(answer: HttpAnswer): Result;
}

/** What the three kinds of events have in common: their answers look alike. */
abstract class ProxyEventHandler extends StreamableHttpHandler<object, HttpAnswer> {
  protected parseEvent(event: object): HttpRequest {
    return readHttpEvent(event as Readonly<Record<string, unknown>>);
  }

  protected formatResponse(answer: HttpAnswer): HttpAnswer {
    return answer;
  }
}

/** API Gateway, REST APIs. */
export class APIGatewayProxyEventHandler extends ProxyEventHandler {}

/** API Gateway, HTTP APIs. */
export class APIGatewayProxyEventV2Handler extends ProxyEventHandler {}

/** Function URLs. */
export class LambdaFunctionURLEventHandler extends ProxyEventHandler {}

/** Lambda targets of a Bedrock AgentCore gateway. */
export class BedrockAgentCoreGatewayTargetHandler {
  readonly #requestHandler: RequestHandler;

  constructor(requestHandler: RequestHandler) {
    this.#requestHandler = requestHandler;
  }

  /** @returns the bare result. @throws Error for an invocation without a tool's name, and for a JSON-RPC error. */
  async handle(event: object, context: LambdaContext): Promise<unknown> {
    const request = agentCoreRequest(event, context);
    return agentCoreResult(await this.#requestHandler.handleRequest(request as unknown as JsonRpcRequest, context));
  }
}
