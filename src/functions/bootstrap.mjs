/**
 * Runs one Lambda handler for Node in this process: the loop of the Lambda Runtime API, nothing else.
 *
 * Plain JavaScript without dependencies, so that the same file runs from `src` and from `dist` on every Node that
 * the gateway runs on. It speaks HTTP/1.1 over one bare connection, which costs a tenth of `node:http` per
 * invocation; when that connection breaks, the gateway is gone and this process ends.
 *
 * Arguments: major version of the declared runtime, and the module's file when the configuration names one.
 */

import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { defineGlobal, isStreaming, ResponseStream, runStreaming } from './bootstrap-stream.mjs';

const env = process.env;
const declaredMajor = Number(process.argv[2]);
const moduleFile = process.argv[3];
const authority = env.AWS_LAMBDA_RUNTIME_API;
const [host, port] = authority.split(':');
const base = '/2018-06-01/runtime';
const MAX_STACK_LINES = 50;
const MAX_TEXT = 256 * 1024;

/** Why an initialisation failed, with Lambda's own error type. */
class InitError extends Error {
  constructor(type, message, cause) {
    super(message, { cause });
    this.name = type;
  }
}

// ------------------------------------------------------------------------------------------ the connection

/** One keep-alive connection; answers come in the order of the requests. */
class Connection {
  #socket = connect({ host, port: Number(port), noDelay: true });
  #waiting = [];
  #chunks = [];
  #size = 0;
  #head = undefined;

  constructor() {
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', () => process.exit(0));
    this.#socket.on('close', () => process.exit(0));
  }

  /** Whether this connection keeps the process alive; it does not while a handler runs. */
  hold(held) {
    if (held) this.#socket.ref();
    else this.#socket.unref();
  }

  request(method, path, body) {
    const bytes = Buffer.from(body ?? '');
    const head = `${method} ${base}${path} HTTP/1.1\r\nhost: ${authority}\r\ncontent-length: ${bytes.length}\r\n\r\n`;
    this.#socket.write(bytes.length < 4096 ? head + bytes.toString() : head);
    if (bytes.length >= 4096) this.#socket.write(bytes);
    return new Promise((done) => this.#waiting.push(done));
  }

  /** Begins a request whose body follows by `write`. @returns its answer. */
  open(method, path, headers) {
    const lines = [`${method} ${base}${path} HTTP/1.1`, `host: ${authority}`, ...headers];
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    return new Promise((done) => this.#waiting.push(done));
  }

  /** @returns false when the gateway should be given time; see `onDrain`. */
  write(data) {
    return this.#socket.write(data);
  }

  onDrain(ready) {
    this.#socket.once('drain', ready);
  }

  cork() {
    this.#socket.cork();
    process.nextTick(() => this.#socket.uncork());
  }

  #read(chunk) {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#advance());
  }

  /** Takes one whole answer from what has arrived. The chunks are joined once per answer, not once per chunk. */
  #advance() {
    if (this.#head === undefined && !this.#readHead()) return false;
    if (this.#size < this.#head.end) return false;
    const all = this.#join();
    const body = all.subarray(this.#head.start, this.#head.end);
    const { status, headers, end } = this.#head;
    this.#head = undefined;
    this.#chunks = end < all.length ? [all.subarray(end)] : [];
    this.#size = all.length - end;
    this.#waiting.shift()?.({ status, headers, body: body.toString('utf8') });
    return this.#size > 0;
  }

  #readHead() {
    const all = this.#join();
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [first, ...lines] = all.toString('latin1', 0, end).split('\r\n');
    const headers = new Map();
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const start = end + 4;
    this.#head = {
      status: Number(first.split(' ')[1]),
      headers,
      start,
      end: start + Number(headers.get('content-length') ?? 0),
    };
    return true;
  }

  #join() {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

// ---------------------------------------------------------------------------------------------- the guard

/**
 * Ends this process and its own children at once when the gateway vanishes, even while a handler blocks the main
 * thread: the gateway holds the other end of descriptor 3 for as long as it lives.
 */
function startGuard() {
  const source = `
    const { Socket } = require('node:net');
    const end = () => {
      try { process.kill(-process.pid, 'SIGKILL'); } catch { process.kill(process.pid, 'SIGKILL'); }
    };
    const pipe = new Socket({ fd: 3, readable: true, writable: false });
    pipe.on('error', end).on('close', end).resume();`;
  const guard = new Worker(source, { eval: true, env: {}, execArgv: [], stdin: false });
  guard.on('error', () => undefined);
  guard.unref();
}

// -------------------------------------------------------------------------------------------- the handler

function handlerParts() {
  const text = env._HANDLER;
  const slash = text.lastIndexOf('/') + 1;
  const dot = text.indexOf('.', slash);
  if (moduleFile !== undefined && dot < 0) return { file: moduleFile, path: text };
  if (dot <= slash || dot === text.length - 1) {
    throw new InitError('Runtime.MalformedHandlerName', `The handler "${text}" is not of the form module.export.`);
  }
  return { file: moduleFile ?? findModule(text.slice(0, dot)), path: text.slice(dot + 1) };
}

function findModule(name) {
  if (name.startsWith('/') || name.split('/').includes('..')) {
    throw new InitError('Runtime.MalformedHandlerName', `The handler's module "${name}" leaves the code folder.`);
  }
  for (const extension of ['.js', '.mjs', '.cjs', '']) {
    if (existsSync(resolve(env.LAMBDA_TASK_ROOT, name + extension))) return name + extension;
  }
  const what = `The code folder ${env.LAMBDA_TASK_ROOT} has no module "${name}" (.js, .mjs or .cjs).`;
  throw new InitError('Runtime.ImportModuleError', `${what} Correct the handler "${env._HANDLER}", or the folder.`);
}

async function importModule(file) {
  try {
    return await import(pathToFileURL(resolve(env.LAMBDA_TASK_ROOT, file)).href);
  } catch (error) {
    if (error instanceof SyntaxError) throw new InitError('Runtime.UserCodeSyntaxError', error.message, error);
    if (error?.code === 'ERR_MODULE_NOT_FOUND' || error?.code === 'MODULE_NOT_FOUND') {
      throw new InitError('Runtime.ImportModuleError', error.message, error);
    }
    throw error;
  }
}

async function loadHandler() {
  const { file, path } = handlerParts();
  const namespace = await importModule(file);
  const names = path.split('.');
  const find = (from) => names.reduce((value, name) => value?.[name], from);
  const handler = find(namespace) ?? find(namespace.default);
  if (typeof handler !== 'function') {
    throw new InitError('Runtime.HandlerNotFound', `The module "${file}" exports no function "${path}".`);
  }
  if (declaredMajor >= 24 && handler.length >= 3 && !isStreaming(handler)) {
    const what = `The handler takes a callback, which nodejs${declaredMajor}.x no longer supports.`;
    throw new InitError('Runtime.CallbackHandlerDeprecated', `${what} Make it async, or declare nodejs22.x.`);
  }
  return handler;
}

// ------------------------------------------------------------------------------------------- an invocation

function lambdaContext(headers) {
  const deadline = Number(headers.get('lambda-runtime-deadline-ms'));
  const client = headers.get('lambda-runtime-client-context');
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: client === undefined ? undefined : JSON.parse(client),
    identity: undefined,
    invokedFunctionArn: headers.get('lambda-runtime-invoked-function-arn'),
    awsRequestId: headers.get('lambda-runtime-aws-request-id'),
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

/** Called when the handler left nothing to wait for: whatever it has said by then is its answer. */
let onEmptyLoop = undefined;
process.on('beforeExit', () => onEmptyLoop?.());

/** Runs the handler; resolves or rejects with what it says first. */
function run(handler, event, context) {
  return new Promise((resolveRun, rejectRun) => {
    onEmptyLoop = () => resolveRun(null);
    if (declaredMajor >= 24) {
      Promise.resolve(handler(event, context)).then(resolveRun, rejectRun);
      return;
    }
    const returned = handler(event, context, callbackOf(context, resolveRun, rejectRun));
    if (typeof returned?.then === 'function') returned.then(resolveRun, rejectRun);
  }).finally(() => {
    onEmptyLoop = undefined;
  });
}

/** The callback of older handlers, and the even older methods of the context. */
function callbackOf(context, resolveRun, rejectRun) {
  let called = false;
  const callback = (error, result) => {
    if (called) return;
    called = true;
    const settle = () => (error === null || error === undefined ? resolveRun(result) : rejectRun(error));
    if (context.callbackWaitsForEmptyEventLoop) onEmptyLoop &&= settle;
    else settle();
  };
  context.done = callback;
  context.succeed = (result) => {
    context.callbackWaitsForEmptyEventLoop = false;
    callback(null, result);
  };
  context.fail = (error) => {
    context.callbackWaitsForEmptyEventLoop = false;
    callback(error ?? new Error('handled'));
  };
  return callback;
}

function describe(thrown, type) {
  if (!(thrown instanceof Error) && typeof thrown?.message !== 'string') {
    return JSON.stringify({
      errorType: type ?? typeof thrown,
      errorMessage: String(thrown).slice(0, MAX_TEXT),
      stackTrace: [],
    });
  }
  const stackTrace = String(thrown.stack ?? '')
    .split('\n')
    .slice(0, MAX_STACK_LINES)
    .map((line) => line.slice(0, 1000));
  return JSON.stringify({
    errorType: type ?? thrown.name ?? 'Error',
    errorMessage: String(thrown.message).slice(0, MAX_TEXT),
    stackTrace,
  });
}

function encode(value) {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    throw new InitError(
      'Runtime.MarshalError',
      `The handler's result cannot be written as JSON: ${error.message}`,
      error,
    );
  }
}

/** Request id of the invocation in hand, and its stream when the handler has one. */
let current = undefined;
let stream = undefined;

/** @returns the request that answers, or nothing when the answer was streamed. */
async function invoke(connection, handler, delivery) {
  const context = lambdaContext(delivery.headers);
  const trace = delivery.headers.get('lambda-runtime-trace-id');
  if (trace === undefined) delete env._X_AMZN_TRACE_ID;
  else env._X_AMZN_TRACE_ID = trace;
  try {
    const event = JSON.parse(delivery.body);
    if (!isStreaming(handler))
      return { path: `/invocation/${current}/response`, body: encode(await run(handler, event, context)) };
    await invokeStreaming(connection, handler, { event, context });
    return undefined;
  } catch (error) {
    return await failed(error);
  }
}

async function invokeStreaming(connection, handler, { event, context }) {
  stream = new ResponseStream(connection, `/invocation/${current}/response`, handler);
  const whenIdle = (end) => {
    onEmptyLoop = end;
  };
  try {
    await runStreaming(handler, { event, stream, context, whenIdle });
  } finally {
    onEmptyLoop = undefined;
  }
}

/** An error goes to the log, and to the caller: as the answer, or behind what was streamed of it. */
async function failed(error, type) {
  const body = describe(error, type);
  process.stderr.write(`Invoke Error\t${body}\n`);
  if (stream?.hasBegun !== true) return { path: `/invocation/${current}/error`, body };
  await stream.fail(JSON.parse(body).errorType, body);
  return undefined;
}

async function loop(connection, handler) {
  let next = connection.request('GET', '/invocation/next');
  for (;;) {
    const delivery = await next;
    if (delivery.status !== 200) process.exit(1);
    current = delivery.headers.get('lambda-runtime-aws-request-id');
    connection.hold(false);
    const answer = await invoke(connection, handler, delivery);
    connection.hold(true);
    current = undefined;
    stream = undefined;
    // The answer and the question for more work leave in one packet.
    connection.cork();
    if (answer !== undefined) void connection.request('POST', answer.path, answer.body);
    next = connection.request('GET', '/invocation/next');
  }
}

// --------------------------------------------------------------------------------------------------- start

const connection = new Connection();

async function fail(error, type) {
  connection.hold(true);
  try {
    const answer =
      current === undefined ? { path: '/init/error', body: describe(error, type) } : await failed(error, type);
    await (answer === undefined ? stream.answered : connection.request('POST', answer.path, answer.body));
  } finally {
    process.exit(1);
  }
}

process.on('uncaughtException', (error, origin) => {
  process.exitCode = 1;
  void fail(error, origin === 'unhandledRejection' ? 'Runtime.UnhandledPromiseRejection' : undefined);
});

startGuard();
defineGlobal();
loadHandler().then((handler) => loop(connection, handler), fail);
