/**
 * The load generator: a process of its own, raw sockets, keep-alive, one request in flight per connection.
 *
 * argv[2] is a job `{port, requests: [{head, body}], connections, warmupMs, durationMs, minBytes}`. Each body
 * has the id 1000000000, whose digits are counted up, and each answer must have status 200, that id and at
 * least `minBytes`. Prints `{requests, errors, seconds, p50Us, p99Us, bytes}`; only what begins and ends after
 * the warm-up counts.
 */

import { connect } from 'node:net';

const ID = '1000000000';
const job = JSON.parse(process.argv[2]);
const begin = performance.now() + job.warmupMs;
const end = begin + job.durationMs;

let nextId = 1_000_000_001;
let latencies = new Float64Array(65_536);
let counted = 0;
let errors = 0;
let bytes = 0;
let firstError = '';

function keep(latency) {
  if (counted === latencies.length) {
    const larger = new Float64Array(latencies.length * 2);
    larger.set(latencies);
    latencies = larger;
  }
  latencies[counted++] = latency;
}

/** Prepares the bytes of a request and remembers where the digits of its id stand. */
function prepare({ head, body }) {
  const text = Buffer.from(body, 'utf8');
  const buffer = Buffer.concat([Buffer.from(`${head}Content-Length: ${text.length}\r\n\r\n`, 'latin1'), text]);
  return { buffer, at: buffer.lastIndexOf(`"id":${ID}`) + 5 };
}

class Connection {
  constructor(index) {
    this.requests = job.requests.map(prepare);
    this.turn = index % this.requests.length;
    this.chunks = [];
    this.size = 0;
    this.need = -1;
    this.startedAt = 0;
  }

  open() {
    this.socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true });
    this.socket.on('connect', () => this.send());
    this.socket.on('data', (chunk) => this.read(chunk));
    this.socket.on('error', (error) => this.fail(error.message));
    this.socket.on('close', () => performance.now() < end && this.fail('the connection was closed'));
  }

  send() {
    const request = this.requests[this.turn];
    this.turn = (this.turn + 1) % this.requests.length;
    this.id = String(nextId++);
    request.buffer.write(this.id, request.at, 'latin1');
    this.startedAt = performance.now();
    this.socket.write(request.buffer);
  }

  read(chunk) {
    this.chunks.push(chunk);
    this.size += chunk.length;
    if (this.need < 0) this.readHead();
    if (this.need > 0 ? this.size >= this.need : this.need === 0 && this.endsChunked()) this.finish();
  }

  /** Sets `need` to the size of the whole answer, or to 0 when it comes in chunks. */
  readHead() {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)];
    const at = this.chunks[0].indexOf('\r\n\r\n');
    if (at < 0) return;
    const head = this.chunks[0].latin1Slice(0, at).toLowerCase();
    this.status = head.slice(9, 12);
    const length = head.indexOf('\r\ncontent-length:');
    this.need = length < 0 ? 0 : at + 4 + Number.parseInt(head.slice(length + 17), 10);
  }

  endsChunked() {
    const last = this.chunks.at(-1);
    const tail = last.length >= 7 || this.chunks.length === 1 ? last : Buffer.concat(this.chunks.slice(-8));
    return tail.latin1Slice(Math.max(0, tail.length - 7)) === '\r\n0\r\n\r\n';
  }

  finish() {
    const now = performance.now();
    const first = this.chunks[0];
    const last = this.chunks.length > 1 ? Buffer.concat(this.chunks.slice(-3)) : first;
    const good =
      this.status === '200' &&
      this.size >= job.minBytes &&
      (first.indexOf(`"id":${this.id}`) >= 0 || last.indexOf(`"id":${this.id}`) >= 0);
    if (!good) this.fail(Buffer.concat(this.chunks).latin1Slice(0, 600));
    if (this.startedAt >= begin && now <= end) {
      keep(now - this.startedAt);
      bytes += this.size;
    }
    this.chunks = [];
    this.size = 0;
    this.need = -1;
    if (now < end) this.send();
    else this.socket.destroy();
  }

  fail(what) {
    errors += 1;
    firstError ||= what;
    if (errors > 100) report();
  }
}

function report() {
  const sorted = latencies.subarray(0, counted).sort();
  const at = (share) => Math.round(1000 * (sorted[Math.min(counted - 1, Math.floor(counted * share))] ?? 0));
  const result = {
    requests: counted,
    errors,
    seconds: job.durationMs / 1000,
    p50Us: at(0.5),
    p99Us: at(0.99),
    bytes,
    firstError,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

for (let index = 0; index < job.connections; index++) new Connection(index).open();
setTimeout(report, job.warmupMs + job.durationMs + 200);
