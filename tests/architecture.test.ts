/**
 * Who may import whom. The tables below are the rules; a new arrow is a change of a table, in the change that needs
 * it, with its reason.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const source = fileURLToPath(new URL('../src/', import.meta.url));

/**
 * core ← protocol, policy, audit ← upstream, registry, functions, workflows ← gateway, wrapper ← http ← entry, cli.
 *
 * A folder may import itself and what stands here, and stays as narrow as its code is today. `index.ts` and
 * `testing.ts` are doors of the package and see what `entry` sees; `wrapper.ts` is the door to handlers and sees them alone.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  protocol: ['core'],
  policy: ['core'],
  config: ['core', 'protocol'],
  functions: ['core'],
  upstream: ['core'],
  // Changes of registrations and workflows are put on record in the same commit.
  registry: ['core', 'protocol', 'audit'],
  // A handler speaks MCP to its caller, so it needs the codecs.
  wrapper: ['core', 'protocol', 'upstream'],
  // Starts a server to read its tools, and the function made of it to try it out.
  packaging: ['core', 'functions', 'upstream', 'wrapper'],
  gateway: ['core', 'policy', 'protocol'],
  audit: ['core'],
  workflows: ['core', 'audit'],
  provisioning: ['core', 'audit', 'policy', 'registry', 'workflows'],
  http: ['core', 'policy', 'protocol', 'registry', 'gateway', 'audit', 'provisioning', 'workflows'],
  // An adapter sees `core` and the port it implements: `upstream/channel.ts` and what a channel is built of.
  'adapters/embedded': ['core'],
  'adapters/remote-mcp': ['core', 'upstream'],
  'adapters/aws': ['core', 'provisioning'],
  // Checks tokens for `http/authenticate`, where its port is.
  'adapters/oidc': ['core', 'http'],
  'adapters/gcp': ['core', 'provisioning'],
  'adapters/azure': ['core', 'provisioning'],
  // Checks the signatures that clients of AWS make.
  'adapters/simulated-cloud': ['core', 'protocol'],
  // Only these two know features and adapters alike.
  entry: [
    'core',
    'audit',
    'protocol',
    'policy',
    'config',
    'functions',
    'upstream',
    'registry',
    'wrapper',
    'gateway',
    'http',
    'provisioning',
    'workflows',
    'adapters/*',
  ],
  cli: [
    'core',
    // Checks a head before it asks the instance.
    'audit',
    'policy',
    'config',
    'wrapper',
    'packaging',
    'gateway',
    'http',
    'workflows',
    'entry',
    'adapters/embedded',
  ],
  'index.ts': ['core', 'config', 'entry'],
  'testing.ts': ['core', 'config', 'entry'],
  'wrapper.ts': ['wrapper'],
};

/** Folders without input and output, and the two modules of Node that they may use because neither does any. */
const PURE_FOLDERS = ['core', 'protocol', 'policy'];
const PURE_MODULES: Readonly<Record<string, string>> = {
  'node:crypto': 'a name that is too long ends in a hash',
  'node:buffer': 'whether bytes are UTF-8 is answered natively',
};

/** Each package of `dependencies` is imported by these folders and nowhere else. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/client-dynamodb': ['adapters/aws'],
  '@aws-sdk/client-ec2': ['adapters/aws'],
  '@aws-sdk/client-iam': ['adapters/aws'],
  '@aws-sdk/client-lambda': ['adapters/aws'],
  '@aws-sdk/client-resource-groups-tagging-api': ['adapters/aws'],
  '@aws-sdk/client-s3': ['adapters/aws'],
  '@aws-sdk/client-schemas': ['adapters/aws'],
  '@aws-sdk/client-sqs': ['adapters/aws'],
  '@aws-sdk/credential-provider-node': ['adapters/aws', 'wrapper'],
  '@azure/arm-network': ['adapters/azure'],
  '@azure/arm-resources': ['adapters/azure'],
  '@azure/arm-storage': ['adapters/azure'],
  '@azure/core-auth': ['adapters/azure'],
  '@azure/core-rest-pipeline': ['adapters/azure'],
  '@azure/identity': ['adapters/azure'],
  '@aws/durable-execution-sdk-js': ['workflows', 'provisioning'],
  'add-mcp': ['cli'],
  'asl-validator': ['workflows'],
  ajv: ['registry'],
  commander: ['cli'],
  jose: ['adapters/oidc'],
  'google-auth-library': ['adapters/gcp'],
  jsonata: ['workflows'],
  'jsonc-parser': ['config', 'cli', 'workflows'],
  libsql: ['adapters/embedded'],
  minisearch: ['gateway'],
  selfsigned: ['adapters/simulated-cloud'],
  'smol-toml': ['config', 'cli'],
  undici: ['adapters/embedded'],
  yaml: ['config', 'cli'],
  zod: ['config', 'provisioning', 'adapters/aws', 'adapters/gcp', 'adapters/azure'],
};

/** Files that read `process.env`, and why. Everywhere else the environment arrives as a value. */
const READS_ENVIRONMENT: Readonly<Record<string, string>> = {
  'config/load.ts': 'resolves references to variables',
  'cli/main.ts': 'hands it to the verbs',
  'testing.ts': 'stands in for the command line',
  'functions/bootstrap.mjs': "runs in the function's own process, where the Runtime API is named by variables",
  'packaging/artifact-files.ts': "names it in the text of a handler, which runs in the function's own process",
  'wrapper/lambda/handler-core.ts': 'a handler is its own entry: Lambda configures it by variables',
  'wrapper/lambda/client.ts': "runs in a client's program, where AWS is named by variables",
  'wrapper/lambda/client-credentials.ts': "runs in a client's program, whose credentials are in variables",
};

/** Files that open connections or listen, and why. Whatever leaves for the world goes through `egress.ts`. */
const TOUCHES_NETWORK: Readonly<Record<string, string>> = {
  'adapters/embedded/egress.ts': 'the one way out',
  'adapters/embedded/egress-address.ts': 'address ranges; connects to nothing',
  'http/node-host.ts': 'the host: listens',
  'adapters/simulated-cloud/aws-endpoint.ts': 'listens on loopback for clients of AWS',
  'adapters/simulated-cloud/lazy-endpoint.ts': 'listens on loopback for a cloud that nobody has asked yet',
  'adapters/simulated-cloud/rest-endpoint.ts': 'the same for clients of Google and Azure',
  'functions/runtime-api.ts': 'listens on loopback for the processes of functions',
  'functions/bootstrap.mjs': "a function's process asks the Runtime API on loopback",
  'cli/exchange.ts': 'the command line asks the running instance',
  'cli/relay.ts': 'sends what a stdio client asks on to the running instance',
  'wrapper/lambda/client.ts': "runs in a client's program, which has no egress",
  'cli/doctor-checks.ts': 'tries whether a port is free',
};
const NETWORK = /^node:(?:http|https|http2|net|tls|dns|dgram)(?:\/|$)|^undici(?:\/|$)/;

/** Files that make timers or read the time themselves. Features wait and tell time by `Clock`. */
const KEEPS_TIME: Readonly<Record<string, string>> = {
  'adapters/embedded/system.ts': 'is the clock',
  'adapters/embedded/store/group-commit.ts': 'measures the disk and waits for it, which no other clock knows',
  'http/node-host.ts': 'cuts connections at the end of the drain, below the pipeline and its clock',
  'entry/instance.ts': "a start that waits must hold the process, and the clock's timers do not",
  'functions/bootstrap.mjs': "runs in the function's own process and counts down to the deadline it was given",
  'cli/verbs/job-progress.ts': 'waits for an instance that starts again, in a program that nothing else keeps alive',
  'cli/verbs/workflows.ts': 'asks again every half second, in a program that nothing else keeps alive',
  'cli/write-client.ts': 'names the copy that it sets aside after the day',
  'wrapper/lambda/lambda-clock.ts': 'is the clock of a process that Lambda freezes',
  'wrapper/lambda/signed-fetch.ts': 'dates signatures, in a program that has no clock of ours',
};

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
}

interface SourceFile {
  /** Below `src`, with `/`. */
  readonly path: string;
  readonly folder: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

/** `cli`, `adapters/embedded`, or the file itself when it lies directly in `src`. */
function folderOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'adapters' ? `${first}/${second}` : first;
}

function importsOf(code: string): Import[] {
  const statements = [...code.matchAll(/^(?:import|export)\s+(?:(type\s)?[^;'"=]*\sfrom\s+)?'([^']+)'/gm)];
  const calls = [...code.matchAll(/\bimport\(\s*'([^']+)'/g)];
  return [
    ...statements.map(([, type, specifier = '']) => ({ specifier, isType: type !== undefined })),
    ...calls.map(([, specifier = '']) => ({ specifier, isType: false })),
  ];
}

/** Comments may name what code may not use. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}

const files: readonly SourceFile[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll(sep, '/'))
  .filter((path) => /\.(?:ts|mjs)$/.test(path) && !/\.test\.ts$|-for-test\.ts$/.test(path))
  .map((path) => {
    const code = withoutComments(readFileSync(join(source, path), 'utf8'));
    return { path, folder: folderOf(path), code, imports: importsOf(code) };
  });

function allows(table: readonly string[] | undefined, folder: string): boolean {
  return (
    table?.some((allowed) => allowed === folder || (allowed === 'adapters/*' && folder.startsWith('adapters/'))) ===
    true
  );
}

/** Imports of a file that cross into a folder which the table does not name. */
function wrongArrows(file: SourceFile): string[] {
  return file.imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => relative(source, join(source, dirname(file.path), specifier)).replaceAll(sep, '/'))
    .filter((target) => folderOf(target) !== file.folder && !allows(MAY_IMPORT[file.folder], folderOf(target)))
    .map((target) => `${file.path} → ${target}`);
}

const found = (isWrong: (file: SourceFile) => boolean): string[] => files.filter(isWrong).map(({ path }) => path);

/** Files that do it without standing in the table, and entries of the table that no longer do it. */
function differences(table: Readonly<Record<string, string>>, doesIt: (file: SourceFile) => boolean): string[] {
  const doing = found(doesIt);
  return [
    ...doing.filter((path) => table[path] === undefined),
    ...Object.keys(table)
      .filter((path) => !doing.includes(path))
      .map((path) => `${path} no longer needs its line in the table`),
  ];
}

describe('imports', () => {
  test('the sources were found', () => {
    expect(files.length).toBeGreaterThan(100);
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(500);
  });

  test('every folder stands in the table', () => {
    expect(
      [...new Set(files.map(({ folder }) => folder))].filter((folder) => MAY_IMPORT[folder] === undefined),
    ).toEqual([]);
  });

  test('point inward', () => {
    expect(files.flatMap(wrongArrows)).toEqual([]);
  });

  test('a wrong arrow is noticed', () => {
    const code = "import { Gateway } from '../gateway/gateway.ts';\nconst late = await import('../cli/main.ts');";
    const planted = { path: 'core/planted.ts', folder: 'core', code, imports: importsOf(code) };
    expect(wrongArrows(planted)).toEqual(['core/planted.ts → gateway/gateway.ts', 'core/planted.ts → cli/main.ts']);
  });

  test('no arrow of the table is unused', () => {
    const drawn = new Set(
      files.flatMap((file) =>
        file.imports
          .filter(({ specifier }) => specifier.startsWith('.'))
          .map(
            ({ specifier }) =>
              `${file.folder} → ${folderOf(relative(source, join(source, dirname(file.path), specifier)))}`,
          ),
      ),
    );
    const unused = Object.entries(MAY_IMPORT).flatMap(([folder, allowed]) =>
      allowed
        .filter((each) => !each.endsWith('*') && !drawn.has(`${folder} → ${each}`))
        .map((each) => `${folder} → ${each}`),
    );
    expect(unused).toEqual([]);
  });

  test('pure folders use nothing of Node that reads, writes or waits', () => {
    const wrong = files
      .filter(({ folder }) => PURE_FOLDERS.includes(folder))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ specifier }) => !specifier.startsWith('.') && PURE_MODULES[specifier] === undefined)
          .map(({ specifier }) => `${path} → ${specifier}`),
      );
    expect(wrong).toEqual([]);
  });

  test('a package is imported only where it has a reason to be', () => {
    const wrong = files.flatMap(({ path, folder, imports }) =>
      imports
        .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map(({ specifier }) => ({ specifier, name: /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? '' }))
        .filter(({ name }) => PACKAGES[name]?.includes(folder) !== true)
        .map(({ specifier }) => `${path} → ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the outside', () => {
  test('the environment is read at the edge', () => {
    expect(differences(READS_ENVIRONMENT, ({ code }) => /\bprocess(?:\.env\b|\['env'\])/.test(code))).toEqual([]);
  });

  test('connections are made by the egress and by hosts', () => {
    const opens = ({ imports, code }: SourceFile): boolean =>
      imports.some(({ specifier, isType }) => !isType && NETWORK.test(specifier)) || /(?<![.\w])fetch\(/.test(code);
    expect(differences(TOUCHES_NETWORK, opens)).toEqual([]);
  });

  test('time comes from the clock', () => {
    const timers = /(?<![.\w])(?:setTimeout|setInterval)\(|\bDate\.now\(|\bperformance\.now\(|new Date\(\)/;
    const waits = ({ imports, code }: SourceFile): boolean =>
      timers.test(code) || imports.some(({ specifier }) => specifier === 'node:timers/promises');
    expect(differences(KEEPS_TIME, waits)).toEqual([]);
  });
});
