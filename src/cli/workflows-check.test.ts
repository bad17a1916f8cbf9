import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runForTest } from './run-for-test.ts';
import type { TestRun } from './run-for-test.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-check-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function check(text: string, ...flags: string[]): Promise<TestRun> {
  await writeFile(join(folder, 'machine.asl.json'), text);
  return runForTest(['workflows', 'check', 'machine.asl.json', ...flags], { cwd: folder });
}

const GOOD = `{
  "StartAt": "Make",
  "States": {
    "Make": {
      "Type": "Task",
      "Resource": "create-vpc",
      "Comment": "compensation: Undo",
      "TimeoutSeconds": 60,
      "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Undo" }],
      "End": true
    },
    "Undo": {
      "Type": "Task",
      "Resource": "delete-vpc",
      "Comment": "no-compensation: is itself one",
      "TimeoutSeconds": 60,
      "End": true
    }
  }
}`;

test('a careful machine has nothing found', async () => {
  const run = await check(GOOD, '--strict');
  expect(run).toMatchObject({ code: 0, stdout: 'machine.asl.json: nothing found\n', stderr: '' });
});

test('warnings name file, line and what to do, and fail only under --strict', async () => {
  const text = GOOD.replace('"TimeoutSeconds": 60,\n      "Catch"', '"Catch"');
  const run = await check(text);
  expect(run.code).toBe(0);
  expect(run.stdout).toBe(
    [
      'machine.asl.json:4:5  warning  Make: The task "Make" may take for ever.',
      '    Add TimeoutSeconds, a little more than its longest good run.',
      'machine.asl.json: 0 errors, 1 warning',
      '',
    ].join('\n'),
  );
  expect((await check(text, '--strict')).code).toBe(1);
});

test('errors end with 2, in JSON with every field', async () => {
  const run = await check(GOOD.replace('"Next": "Undo"', '"Next": "Undone"'), '--output', 'json');
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout)).toMatchObject({
    file: 'machine.asl.json',
    errors: 2,
    warnings: 0,
    findings: [
      {
        severity: 'error',
        code: 'WORKFLOW_INVALID',
        state: 'Make',
        pointer: '/States/Make/Catch/0/Next',
        line: 9,
        column: 50,
        message: '"Undone" is no state here.',
        next: 'The states here are "Make", "Undo".',
      },
      { state: 'Undo', message: 'No state leads here.', line: 12 },
    ],
  });
});

test('text that is no JSON is one error with its place', async () => {
  const run = await check('{"StartAt": "A",\n "States": }');
  expect(run).toMatchObject({ code: 2 });
  expect(run.stdout).toContain('machine.asl.json:2:12  error  It is not JSON: ValueExpected.');
});

test('a definition may come from stdin', async () => {
  const run = await runForTest(['workflows', 'check', '-'], { cwd: folder, stdin: GOOD });
  expect(run).toMatchObject({ code: 0, stdout: '-: nothing found\n' });
});

test('a file that is not there ends with 4', async () => {
  const run = await runForTest(['workflows', 'check', 'nope.json'], { cwd: folder });
  expect(run.code).toBe(4);
  expect(run.stderr).toContain('The file nope.json cannot be read (ENOENT)');
});
