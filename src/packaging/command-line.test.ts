import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitCommandLine } from './command-line.ts';
import { nameOf, planOf } from './plan.ts';

describe('a command line', () => {
  test.each([
    ['npx -y pkg', ['npx', '-y', 'pkg']],
    ['python -c \'print("a b")\'', ['python', '-c', 'print("a b")']],
    ['a "b \\" c" d\\ e', ['a', 'b " c', 'd e']],
    ['a "" \'\'', ['a', '', '']],
    ['a"b"\'c\'', ['abc']],
    ['  a\t b\n', ['a', 'b']],
    [
      "node x.js '$HOME' `id` $(id) ; rm -rf / && a | b > c < d * ~",
      [
        'node',
        'x.js',
        '$HOME',
        '`id`',
        '$(id)',
        ';',
        'rm',
        '-rf',
        '/',
        '&&',
        'a',
        '|',
        'b',
        '>',
        'c',
        '<',
        'd',
        '*',
        '~',
      ],
    ],
  ])('%s is split by quotes and spaces alone', (line, words) => {
    expect(splitCommandLine(line)).toEqual(words);
  });

  test.each(['', '  ', 'a "b', "a 'b"])('%j is refused', (line) => {
    expect(() => splitCommandLine(line)).toThrow(/empty|not closed/);
  });

  test('whatever is quoted comes out as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (words) => {
        const line = words.map((word) => `'${word.replaceAll("'", `'"'"'`)}'`).join(' ');
        expect(splitCommandLine(line)).toEqual(words);
      }),
    );
  });
});

describe('a plan', () => {
  test.each<[string, object]>([
    [
      'npx -y @scope/server@1.2.3 --flag x',
      { kind: 'node-package', spec: '@scope/server@1.2.3', bin: undefined, args: ['--flag', 'x'] },
    ],
    ['npx --offline -p pkg program a', { kind: 'node-package', spec: 'pkg', bin: 'program', args: ['a'] }],
    ['npx --package=pkg@2 -- program', { kind: 'node-package', spec: 'pkg@2', bin: 'program', args: [] }],
    ['npm exec -y pkg', { kind: 'node-package', spec: 'pkg', args: [] }],
    [
      '/usr/bin/node --no-warnings dist/x.js a',
      { kind: 'node-file', flags: ['--no-warnings'], file: 'dist/x.js', args: ['a'] },
    ],
    [
      'uvx mcp-server-git@2.1 --repository .',
      {
        kind: 'python-package',
        spec: 'mcp-server-git==2.1',
        start: { program: 'mcp-server-git' },
        args: ['--repository', '.'],
      },
    ],
    [
      'uvx --from some-package[cli] program',
      { kind: 'python-package', spec: 'some-package[cli]', start: { program: 'program' } },
    ],
    [
      'pipx run mcp-server-time',
      { kind: 'python-package', spec: 'mcp-server-time', start: { program: 'mcp-server-time' } },
    ],
    [
      'python -m mcp_server_time --x',
      { kind: 'python-package', spec: 'mcp-server-time', start: { module: 'mcp_server_time' }, args: ['--x'] },
    ],
    ['python3.12 -u server.py a', { kind: 'python-code', flags: ['-u'], file: 'server.py', args: ['a'] }],
    ['python -c pass', { kind: 'python-code', flags: ['-c', 'pass'], file: undefined }],
  ])('of %s is known', (line, plan) => {
    expect(planOf(splitCommandLine(line))).toMatchObject(plan);
  });

  test.each([
    'docker run x',
    'npx',
    'npx -y',
    'npx --unknown x',
    'node',
    'node --flag',
    'uvx',
    'python',
    'python -m',
    'python -c',
    'sh -c "npx x"',
  ])('of %s there is none, and the message says what can be wrapped', (line) => {
    expect(() => planOf(splitCommandLine(line))).toThrow(/names no|can be wrapped|not understood/);
  });

  test.each([
    ['npx -y @modelcontextprotocol/server-everything@1', 'server-everything'],
    ['uvx mcp-server-time@1.0', 'mcp-server-time'],
    ['node dist/My_Server.mjs', 'my-server'],
    ['python -c pass', 'python-server'],
    ['npx ' + 'x'.repeat(80), 'x'.repeat(40)],
  ])('of %s names the function %s', (line, name) => {
    expect(nameOf(planOf(splitCommandLine(line)))).toBe(name);
  });
});
