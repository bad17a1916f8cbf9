/**
 * Our provisioners of Google, and our simulated Google, beside simulations that nobody here wrote:
 * Google's own `pstest` for Pub/Sub, which speaks gRPC and is given its REST form by Vanguard; fake-gcs-server for the
 * wire of Cloud Storage, which keeps no labels; gcplocal for buckets with labels. The first two are Go modules, the last is
 * from PyPI. Nothing of the kind was found for Cloud Run's Admin API.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { root, run, start, stop } from './lib.mjs';

const PUBSUB = 'cloud.google.com/go/pubsub/v2@v2.6.2';
const VANGUARD = 'connectrpc.com/vanguard@v0.4.0';
const FAKE_GCS = 'github.com/fsouza/fake-gcs-server@v1.56.1';
const GCPLOCAL = 'gcplocal==0.1.0';

const PSTEST = `package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"

	pubsubpb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// Google wraps a status as {"error": {"code", "message", "status"}}; Vanguard gives it bare.
func asGoogle(rest http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		seen := httptest.NewRecorder()
		rest.ServeHTTP(seen, in)
		body := seen.Body.Bytes()
		if seen.Code >= 400 {
			var bare struct {
				Code    codes.Code
				Message string
			}
			_ = json.Unmarshal(body, &bare)
			names := map[codes.Code]string{
				codes.AlreadyExists: "ALREADY_EXISTS", codes.NotFound: "NOT_FOUND", codes.InvalidArgument: "INVALID_ARGUMENT",
			}
			body, _ = json.Marshal(map[string]any{"error": map[string]any{
				"code": seen.Code, "message": bare.Message, "status": names[bare.Code],
			}})
		}
		out.Header().Set("Content-Type", "application/json")
		out.WriteHeader(seen.Code)
		_, _ = out.Write(body)
	})
}

func main() {
	fake := pstest.NewServer()
	server := grpc.NewServer()
	pubsubpb.RegisterPublisherServer(server, &fake.GServer)
	pubsubpb.RegisterSubscriberServer(server, &fake.GServer)
	rest, err := vanguardgrpc.NewTranscoder(server)
	if err != nil {
		panic(err)
	}
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], asGoogle(rest)))
}
`;

function go(args, cwd) {
  const done = spawnSync('go', args, { cwd, encoding: 'utf8', env: { ...process.env, GOBIN: cwd } });
  if (done.status !== 0) throw new Error(`go ${args.join(' ')} failed:\n${done.stderr}`);
}

/** Builds once; what is asked for is written beside the binary. */
function built(name, wanted, make) {
  const folder = join(root, '.suites', name);
  const stamp = join(folder, 'stamp.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return folder;
  mkdirSync(folder, { recursive: true });
  console.error(`installing ${wanted.split('\n', 1)[0]}`);
  make(folder);
  writeFileSync(stamp, wanted);
  return folder;
}

function pstest() {
  const folder = built('pstest', `${PUBSUB} ${VANGUARD}\n${PSTEST}`, (at) => {
    writeFileSync(join(at, 'main.go'), PSTEST);
    writeFileSync(join(at, 'go.mod'), 'module example.com/pstest\n\ngo 1.25\n');
    go(['get', PUBSUB, VANGUARD], at);
    go(['mod', 'tidy'], at);
    go(['build', '-o', 'pstest', '.'], at);
  });
  return { command: join(folder, 'pstest'), args: (port) => [String(port)] };
}

function fakeGcs() {
  const folder = built('fake-gcs-server', FAKE_GCS, (at) => go(['install', FAKE_GCS], at));
  const options = (port) => [
    ['-scheme', 'http'],
    ['-host', '127.0.0.1'],
    ['-port', String(port)],
    ['-backend', 'memory'],
    ['-log-level', 'error'],
    ['-public-host', `127.0.0.1:${port}`],
  ];
  return { command: join(folder, 'fake-gcs-server'), args: (port) => options(port).flat() };
}

function gcplocal() {
  const folder = built('gcplocal', GCPLOCAL, (at) => {
    const made = spawnSync('python3', ['-m', 'venv', '--clear', join(at, 'venv')], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`python3 -m venv failed: ${made.stderr}`);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', GCPLOCAL];
    const done = spawnSync(join(at, 'venv/bin/python'), pip, { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`pip could not install ${GCPLOCAL}:\n${done.stderr}`);
  });
  const args = (port) => ['start', '--host', '127.0.0.1', '--port', String(port)];
  return { command: join(folder, 'venv/bin/gcplocal'), args };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function started({ command, args }) {
  const port = await freePort();
  const child = start(command, args(port));
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + 20_000; ;) {
    const isUp = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isUp) return { url, child };
    if (Date.now() > deadline) throw new Error(`${command} did not start:\n${child.output}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs one of our test files with the peer's address in a variable. */
async function hold(report, title, { make, variable, file }) {
  await report.check(
    title,
    async () => {
      const { url, child } = await started(make());
      const vitest = join(root, 'node_modules/vitest/vitest.mjs');
      const args = [vitest, 'run', '--config', 'vitest.peers.config.ts', file];
      const env = { ...process.env, [variable]: url, NO_COLOR: '1' };
      const { code, stdout, stderr } = await run(process.execPath, args, { timeoutMs: 240_000, cwd: root, env });
      await stop(child);
      const [, passed] = /Tests .*?(\d+) passed/.exec(stdout) ?? [];
      if (code !== 0 || !(Number(passed) > 0)) throw new Error(`${stdout}\n${stderr}`.slice(-6_000));
    },
    600_000,
  );
}

const has = (command, ...args) => spawnSync(command, args).status === 0;

export const google = {
  async 'provision-pstest'(report) {
    if (!has('go', 'version')) return report.skip('provision-pstest', 'Go is not installed');
    const parts = { make: pstest, variable: 'PEER_PUBSUB', file: 'tests/peers/google-provisioners.test.ts' };
    return hold(report, 'the provisioner of Pub/Sub holds its contract against pstest', parts);
  },
  async 'provision-gcplocal'(report) {
    if (!has('python3', '-m', 'venv', '--help'))
      return report.skip('provision-gcplocal', 'python3 with venv is not installed');
    const parts = { make: gcplocal, variable: 'PEER_GCS', file: 'tests/peers/google-provisioners.test.ts' };
    return hold(report, 'the provisioner of buckets holds its contract against gcplocal', parts);
  },
  async 'fake-gcs-server'(report) {
    if (!has('go', 'version')) return report.skip('fake-gcs-server', 'Go is not installed');
    const parts = { make: fakeGcs, variable: 'PEER_FAKE_GCS', file: 'tests/peers/google-wire.test.ts' };
    return hold(report, 'our Cloud Storage answers as fake-gcs-server does', parts);
  },
};
