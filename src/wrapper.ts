/** `zeroplane/wrapper`: any stdio MCP server as the handler of a Lambda function. */

export { createHandler } from './wrapper/lambda/create-handler.ts';
export type { WrappedHandler } from './wrapper/lambda/create-handler.ts';
export type { HandlerOptions } from './wrapper/lambda/handler-core.ts';
export type { Identity } from './wrapper/lambda/invocation.ts';
export type { LambdaContext, ServerParameters } from './wrapper/lambda/lambda-event.ts';
