/**
 * Runtimes that AWS wrote, as `provided` functions of the gateway: the official clients for Node (compiled here), for
 * Python and for Go run handlers against our Runtime API, and are called as tools.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { has, runtimeClient } from './peer-lambda.mjs';
import { root, scratchFolder, startGateway } from './lib.mjs';

const GO_MODULE = 'github.com/aws/aws-lambda-go';
const GO_VERSION = 'v1.55.1';
const PYTHON_PACKAGE = 'awslambdaric==4.2.2';

const NODE_HANDLER = `
let calls = 0;
export const handler = async (event, context) => {
  if (event.fail) throw new TypeError('bad colour');
  if (event.exit) process.exit(5);
  console.log('written by the handler');
  return { event, calls: ++calls, name: context.functionName, tool: context.clientContext?.custom !== undefined, left: context.getRemainingTimeInMillis() > 1000 };
};
export const streaming = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('{"streamed":');
  await new Promise((done) => setTimeout(done, 20));
  if (event.fail) throw new TypeError('midway');
  stream.end('true}');
});
`;

const PYTHON_HANDLER = `
import os
calls = 0
def handler(event, context):
    global calls
    if event.get("fail"):
        raise TypeError("bad colour")
    if event.get("exit"):
        os._exit(5)
    calls += 1
    print("written by the handler")
    return {"event": event, "calls": calls, "name": context.function_name,
            "tool": context.client_context is not None, "left": context.get_remaining_time_in_millis() > 1000}
`;

const GO_HANDLER = `package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"${GO_MODULE}/lambda"
	"${GO_MODULE}/lambdacontext"
)

var calls int

func handle(ctx context.Context, event map[string]any) (map[string]any, error) {
	if event["fail"] != nil {
		return nil, errors.New("bad colour")
	}
	if event["exit"] != nil {
		os.Exit(5)
	}
	calls++
	fmt.Println("written by the handler")
	client, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	body, _ := json.Marshal(event)
	return map[string]any{"event": json.RawMessage(body), "calls": calls, "name": lambdacontext.FunctionName,
		"tool": len(client.ClientContext.Custom) > 0, "left": time.Until(deadline) > time.Second}, nil
}

func main() { lambda.Start(handle) }
`;

/** An executable without a shell: its first line names the interpreter. */
function bootstrap(folder, interpreter, text) {
  const file = join(folder, 'bootstrap');
  writeFileSync(file, `#!${interpreter}\n${text}`);
  chmodSync(file, 0o755);
  return folder;
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', timeout: 300_000, ...options });
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${done.stderr?.slice(-2000)}`);
  return done.stdout;
}

const settings = { runtime: 'provided.al2023', timeoutSeconds: 10, memoryMb: 512, concurrency: 2 };

function nodeFunctions() {
  const folder = scratchFolder('ric-node');
  writeFileSync(join(folder, 'index.mjs'), NODE_HANDLER);
  bootstrap(folder, process.execPath, `import(${JSON.stringify(runtimeClient())});\n`);
  return {
    official: { ...settings, code: folder, handler: 'index.handler' },
    streaming: { ...settings, code: folder, handler: 'index.streaming' },
  };
}

function pythonFunctions() {
  const packages = join(root, '.suites', 'ric-python');
  if (!existsSync(join(packages, 'awslambdaric'))) {
    mkdirSync(packages, { recursive: true });
    run('python3', ['-m', 'pip', 'install', '--quiet', '--target', packages, PYTHON_PACKAGE]);
  }
  const folder = scratchFolder('ric-python');
  writeFileSync(join(folder, 'app.py'), PYTHON_HANDLER);
  const python = run('python3', ['-c', 'import sys; print(sys.executable)']).trim();
  const start = `import os, sys
sys.path[:0] = [${JSON.stringify(packages)}, os.getcwd()]
from awslambdaric.__main__ import main
main(["awslambdaric", os.environ["_HANDLER"]])
`;
  bootstrap(folder, python, start);
  return { official: { ...settings, code: folder, handler: 'app.handler' } };
}

function goFunctions() {
  const folder = join(root, '.suites', 'ric-go');
  const binary = join(folder, 'build', 'bootstrap');
  mkdirSync(join(folder, 'build'), { recursive: true });
  writeFileSync(join(folder, 'main.go'), GO_HANDLER);
  if (!existsSync(join(folder, 'go.mod'))) run('go', ['mod', 'init', 'example.com/bootstrap'], { cwd: folder });
  run('go', ['get', `${GO_MODULE}@${GO_VERSION}`], { cwd: folder });
  run('go', ['build', '-o', binary, '.'], { cwd: folder });
  return { official: { ...settings, code: join(folder, 'build'), handler: 'unused' } };
}

function expectEqual(actual, wanted, what) {
  const [got, expected] = [JSON.stringify(actual), JSON.stringify(wanted)];
  if (got !== expected) throw new Error(`${what}: ${got}, expected ${expected}`);
}

function expectText(result, isError, wanted) {
  const text = result?.content?.map((part) => part.text).join('\n') ?? JSON.stringify(result);
  if ((result?.isError === true) !== isError || !wanted.test(text)) throw new Error(`${wanted} is missing: ${text}`);
}

/** Cold and warm, an error, an exit, and calls at once. */
async function exercise(functions, connect) {
  const { ready, child } = await startGateway({ functions });
  const wire = connect(ready.mcp);
  const call = async (name, args) => (await wire.request('tools/call', { name, arguments: args })).result;
  const value = async (args) => JSON.parse((await call('official', args)).content[0].text);
  const expected = (calls, event) => ({ event, calls, name: 'official', tool: true, left: true });
  const sorted = (object) =>
    Object.fromEntries(Object.entries(object).sort(([one], [other]) => (one < other ? -1 : 1)));
  for (const [at, event] of [{ a: 'é' }, {}, { large: 'x'.repeat(1_000_000) }].entries())
    expectEqual(sorted(await value(event)), sorted(expected(at + 1, event)), `call ${at + 1}`);
  if (!child.output.includes('written by the handler')) throw new Error(`its output was not logged: ${child.output}`);
  expectText(await call('official', { fail: true }), true, /bad colour/);
  expectText(await call('official', { exit: true }), true, /ended with/);
  const both = await Promise.all([value({ n: 1 }), value({ n: 2 })]);
  expectEqual(
    both.map(({ event }) => event.n),
    [1, 2],
    'two at once',
  );
  if (functions.streaming === undefined) return;
  expectEqual(JSON.parse((await call('streaming', {})).content[0].text), { streamed: true }, 'a stream');
  expectText(await call('streaming', { fail: true }), true, /midway/);
  expectEqual(
    JSON.parse((await call('streaming', {})).content[0].text),
    { streamed: true },
    'a stream after a failure',
  );
}

/** Names for the command line, each a check that needs a compiler or an interpreter. */
export const runtimes = (connect) => ({
  'lambda-runtime': async (report) => {
    const hasCompiler = has('cmake', '--version') && has('c++', '--version');
    const kinds = [
      { name: 'aws-lambda-ric', make: nodeFunctions, isPossible: hasCompiler, needs: 'cmake and a C++ compiler' },
      {
        name: 'awslambdaric',
        make: pythonFunctions,
        isPossible: has('python3', '-m', 'pip', '--version'),
        needs: 'python3 with pip',
      },
      { name: 'aws-lambda-go', make: goFunctions, isPossible: has('go', 'version'), needs: 'Go' },
    ];
    for (const { name, make, isPossible, needs } of kinds) {
      if (!isPossible) report.skip(`a function of the official ${name}`, `it needs ${needs}`);
      else
        await report.check(
          `a function of the official ${name} is called cold, warm, failing, ending and twice at once`,
          async () => exercise(make(), connect),
          600_000,
        );
    }
  },
});
