import { expect, test } from 'vitest';
import { ConfigError } from '../config/problems.ts';
import { ERRORS, PlatformError, UpstreamRpcError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { CliEvent, OutputMode } from './command.ts';
import { result } from './command.ts';
import { exitCodeOf } from './exit-codes.ts';
import { Renderer } from './render.ts';
import { testContext } from './run-for-test.ts';

function render(mode: OutputMode, act: (renderer: Renderer) => void): { stdout: string; stderr: string } {
  const written = { stdout: '', stderr: '' };
  const { terminal } = testContext({ cwd: '/' }, (stream, text) => (written[stream] += text));
  act(new Renderer(mode, terminal));
  return written;
}

const EVENTS: readonly CliEvent[] = [
  { type: 'step', message: 'working' },
  { type: 'log', level: 'warn', message: 'careful' },
  { type: 'event', event: { type: 'target-changed', id: 'docs' }, text: 'docs is ready' },
  result({ count: 2 }, 'two things'),
];

test('text puts the result on stdout and the rest on stderr', () => {
  const written = render('text', (renderer) => EVENTS.forEach((event) => renderer.event(event)));
  expect(written).toEqual({ stdout: 'two things\n', stderr: 'working\nwarn careful\ndocs is ready\n' });
});

test('json puts one document on stdout', () => {
  const written = render('json', (renderer) => EVENTS.forEach((event) => renderer.event(event)));
  expect(written).toEqual({ stdout: '{"count":2}\n', stderr: 'working\nwarn careful\ndocs is ready\n' });
});

test('stream-json puts each event on a line of stdout and nothing on stderr', () => {
  const written = render('stream-json', (renderer) => EVENTS.forEach((event) => renderer.event(event)));
  expect(written.stderr).toBe('');
  expect(written.stdout.split('\n')).toEqual([
    '{"type":"step","message":"working"}',
    '{"type":"log","level":"warn","message":"careful"}',
    '{"type":"target-changed","id":"docs"}',
    '{"type":"result","value":{"count":2}}',
    '',
  ]);
});

test('a result keeps the text it came as', () => {
  const event = { ...result({ id: 1 }, ''), json: '{"id":12345678901234567890}' };
  expect(render('json', (renderer) => renderer.event(event)).stdout).toBe('{"id":12345678901234567890}\n');
  expect(render('stream-json', (renderer) => renderer.event(event)).stdout).toBe(
    '{"type":"result","value":{"id":12345678901234567890}}\n',
  );
});

test('an error says its code, what happened and what to try', () => {
  const error = new PlatformError('INSTANCE_NOT_RUNNING', 'No instance runs.', { next: 'zeroplane dev' });
  let code = 0;
  const written = render('text', (renderer) => (code = renderer.error(error)));
  expect({ code, ...written }).toEqual({
    code: 6,
    stdout: '',
    stderr: 'error INSTANCE_NOT_RUNNING  No instance runs.\n  next: zeroplane dev\n',
  });
  const json = render('json', (renderer) => renderer.error(error));
  expect(json).toEqual({
    stdout: '',
    stderr:
      '{"error":{"code":"INSTANCE_NOT_RUNNING","message":"No instance runs.","next":"zeroplane dev","exitCode":6}}\n',
  });
  const stream = render('stream-json', (renderer) => renderer.error(error));
  expect(JSON.parse(stream.stdout)).toMatchObject({ type: 'error', code: 'INSTANCE_NOT_RUNNING', exitCode: 6 });
  expect(stream.stderr).toContain('No instance runs.');
});

test('every problem of a configuration is shown, with its place', () => {
  const problem = {
    code: 'CONFIG_UNKNOWN_KEY' as const,
    file: 'zeroplane.yaml',
    line: 4,
    column: 5,
    path: 'a',
    message: 'Unknown key "comand"',
    nearest: 'command',
  };
  const error = new ConfigError([problem, { ...problem, line: 9 }]);
  const written = render('text', (renderer) => renderer.error(error));
  expect(written.stderr).toContain('zeroplane.yaml:4:5');
  expect(written.stderr).toContain('zeroplane.yaml:9:5');
  expect(JSON.parse(render('json', (renderer) => renderer.error(error)).stderr)).toMatchObject({
    error: { exitCode: 2, problems: [{ line: 4 }, { line: 9 }] },
  });
});

test("a server's own error is shown without tricks", () => {
  const written = render('text', (renderer) => renderer.error(new UpstreamRpcError(-32602, 'bad \u001b[31m thing')));
  expect(written.stderr).toBe('error -32602  bad \\u001b[31m thing\n');
});

test.each<[ErrorCode, number]>([
  ['USAGE', 2],
  ['CONFIG_INVALID', 2],
  ['CONFIG_NOT_FOUND', 2],
  ['UNAUTHENTICATED', 3],
  ['INSUFFICIENT_SCOPE', 3],
  ['UNKNOWN_NAME', 4],
  ['REGISTRATION_NOT_FOUND', 4],
  ['INSTANCE_NOT_RUNNING', 6],
  ['TARGET_UNAVAILABLE', 6],
  ['TARGET_TIMEOUT', 7],
  ['REQUEST_TIMEOUT', 7],
  ['REGISTRATION_EXISTS', 1],
  ['INTERNAL', 1],
])('%s ends with exit code %i', (code, exit) => {
  expect(exitCodeOf(code)).toBe(exit);
});

test('no error ends with the code of success or of an interruption', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) expect([1, 2, 3, 4, 6, 7]).toContain(exitCodeOf(code));
});
