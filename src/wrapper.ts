/** `zeroplane/wrapper`: any stdio MCP server as the handler of a Lambda function. */

export {
  APIGatewayProxyEventHandler,
  APIGatewayProxyEventV2Handler,
  BedrockAgentCoreGatewayTargetHandler,
  LambdaFunctionURLEventHandler,
  StdioServerAdapterRequestHandler,
  StreamableHttpHandler,
  closeServers,
  stdioServerAdapter,
} from './wrapper/lambda/compat.ts';
export { createHandler } from './wrapper/lambda/create-handler.ts';
export type { JsonRpcRequest, RequestHandler } from './wrapper/lambda/answerers.ts';
export type { WrappedHandler } from './wrapper/lambda/create-handler.ts';
export type { HandlerOptions } from './wrapper/lambda/handler-core.ts';
export type { HttpAnswer, HttpRequest } from './wrapper/lambda/http-event.ts';
export type { Identity } from './wrapper/lambda/invocation.ts';
export type { LambdaContext, ServerParameters } from './wrapper/lambda/lambda-event.ts';
export type { QuestionMode } from './wrapper/lambda/question-mode.ts';
