/**
 * `zeroplane/wrapper`: any stdio MCP server as the handler of a Lambda function, and transports of the official MCP
 * clients to such functions. A handler's bundle has nothing of the transports.
 */

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
export {
  LambdaFunctionClientTransport,
  StreamableHTTPClientWithSigV4Transport,
  createSigV4Fetch,
} from './wrapper/lambda/client.ts';
export { createHandler } from './wrapper/lambda/create-handler.ts';
export type { JsonRpcRequest, RequestHandler } from './wrapper/lambda/answerers.ts';
export type {
  AwsCredentials,
  CredentialSource,
  FetchLike,
  LambdaFunctionParameters,
  SigV4FetchOptions,
  SigV4TransportOptions,
} from './wrapper/lambda/client.ts';
export type { WrappedHandler } from './wrapper/lambda/create-handler.ts';
export type { HandlerOptions } from './wrapper/lambda/handler-core.ts';
export type { HttpAnswer, HttpRequest } from './wrapper/lambda/http-event.ts';
export type { Identity } from './wrapper/lambda/invocation.ts';
export type { LambdaContext, ServerParameters } from './wrapper/lambda/lambda-event.ts';
export type { QuestionMode } from './wrapper/lambda/question-mode.ts';
