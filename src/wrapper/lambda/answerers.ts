/** The two ways in which a message of an HTTP request is answered: by our own server, or by a handler of the user's. */

import type { Message } from '../../protocol/message.ts';
import type { JsonRpcObject, LambdaContext } from './lambda-event.ts';
import type { MessageRunner } from './message-runner.ts';
import type { AnswerAt, Answerer, Response } from './streamable-http.ts';
import { isObject } from '../../core/json.ts';
import { isModern } from '../../protocol/era-2026.ts';
import { errorMessage, resultMessage, statusBehindLadder } from '../../protocol/json-rpc.ts';
import { rpcFailure } from './answers.ts';

/** A JSON-RPC request with an id and a method. */
export interface JsonRpcRequest {
  readonly jsonrpc: '2.0';
  readonly id: string | number;
  readonly method: string;
  readonly params?: JsonRpcObject;
}

/** Anything that answers JSON-RPC requests, one at a time. */
export interface RequestHandler {
  /** @returns `{jsonrpc, id, result}` or `{jsonrpc, id, error}`. */
  handleRequest(request: JsonRpcRequest, context: LambdaContext): Promise<JsonRpcObject>;
}

/** Answers from the warm server. */
export class ServerAnswerer implements Answerer {
  readonly #runner: MessageRunner;
  readonly #streamed: boolean;

  constructor(runner: MessageRunner, streamed: boolean) {
    this.#runner = runner;
    this.#streamed = streamed;
  }

  get requestId(): string {
    return this.#runner.requestId;
  }

  async respond(message: Message, { headers, tell }: AnswerAt): Promise<Response> {
    try {
      const wraps = this.#streamed ? undefined : 1;
      const text = await this.#runner.resultOf(message, { headers, tell, wraps });
      return { status: 200, text: resultMessage(message.idText, text) };
    } catch (error) {
      const failure = rpcFailure(error, { message, ...this.#runner.failureParts });
      return {
        status: statusBehindLadder(error, isModern(message)),
        text: errorMessage(message.idText, failure),
      };
    }
  }
}

/** Answers with whatever a handler of the user's returns. */
export class HandlerAnswerer implements Answerer {
  readonly requestId: string;
  readonly #handler: RequestHandler;
  readonly #context: LambdaContext;

  constructor(handler: RequestHandler, context: LambdaContext) {
    this.#handler = handler;
    this.#context = context;
    this.requestId = context.awsRequestId ?? '';
  }

  async respond(message: Message, { text }: AnswerAt): Promise<Response> {
    try {
      const answer = await this.#handler.handleRequest(JSON.parse(text) as JsonRpcRequest, this.#context);
      if (isObject(answer) && ('result' in answer || 'error' in answer))
        return { status: 200, text: JSON.stringify(answer) };
      return this.#failed(message, 'Internal error: Unexpected response format from request handler');
    } catch {
      return this.#failed(message, 'Internal error: the request handler failed. Its log says more.');
    }
  }

  #failed(message: Message, what: string): Response {
    return { status: 200, text: errorMessage(message.idText, { code: -32603, message: what }) };
  }
}
