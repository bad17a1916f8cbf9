/** The texts of an artifact that are ours: the handler, the image, the template. */

import type { Vendored } from './vendor-node.ts';

export interface HandlerSettings {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Variable of the server to a secret's id or ARN (`#key` for a member of JSON), or to a parameter (`ssm:/path`). */
  readonly secrets: Readonly<Record<string, string>>;
  readonly credentials: 'none' | 'env' | 'file';
  readonly questions: 'hold' | 'replay' | 'decline';
  readonly isolation: 'shared' | 'call';
}

export interface Sizing {
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
}

/** Name of the bundled wrapper inside of the artifact. */
export const WRAPPER_FILE = 'zeroplane-wrapper.mjs';
export const MANIFEST_FILE = 'zeroplane-wrap.json';

/** `index.mjs`: everything that a person would want to change stands here, as data. */
export function handlerText(vendored: Vendored, settings: HandlerSettings): string {
  const { name, secrets, credentials, questions, isolation } = settings;
  const env = { ...settings.env, ...Object.fromEntries(Object.entries(secrets).map(referenceOf)) };
  const own = JSON.stringify(env, undefined, 2).replaceAll('\n', '\n  ');
  const python = "PYTHONPATH: [`${root}/python`, process.env.PYTHONPATH].filter(Boolean).join(':'), ";
  return `// The MCP server ${JSON.stringify(name)} as a Lambda function. Made by \`zeroplane wrap\`.
import { createHandler } from './${WRAPPER_FILE}';

const root = import.meta.dirname;
const env = ${own};

export const handler = createHandler({
  name: ${JSON.stringify(name)},
  command: ${JSON.stringify(vendored.command)},
  args: ${JSON.stringify(vendored.args)},
  cwd: root,
  env: { ${vendored.runtime === 'python' ? python : ''}...env },
  credentials: ${JSON.stringify(credentials)},
  questions: ${JSON.stringify(questions)},
  isolation: ${JSON.stringify(isolation)},
});
`;
}

/** The handler fetches what stands between the braces when an instance begins. */
function referenceOf([variable, reference]: readonly [string, string]): [string, string] {
  const isParameter = reference.startsWith('ssm:');
  return [variable, isParameter ? `\${${reference}}` : `\${secretsmanager:${reference}}`];
}

/** The image of a server. A Python server needs Python beside the Node that runs the handler. */
export function dockerfileText(vendored: Vendored): string {
  const python = [
    'RUN dnf install -y python3.13 python3.13-pip && dnf clean all && ln -sf /usr/bin/python3.13 /usr/local/bin/python3',
    'COPY requirements.txt ${LAMBDA_TASK_ROOT}/',
    'RUN python3.13 -m pip install --no-cache-dir --target ${LAMBDA_TASK_ROOT}/python -r requirements.txt',
  ];
  const lines = [
    'FROM public.ecr.aws/lambda/nodejs:24',
    ...(vendored.runtime === 'python' ? python.slice(0, vendored.packages.length > 0 ? 3 : 1) : []),
    'COPY . ${LAMBDA_TASK_ROOT}/',
    'CMD ["index.handler"]',
  ];
  return `${lines.join('\n')}\n`;
}

/** What an image leaves behind: its packages are installed anew, for its own system. */
export const DOCKERIGNORE = 'python\nDockerfile\n.dockerignore\ntemplate.yaml\n';

interface TemplateOptions {
  readonly name: string;
  readonly sizing: Sizing;
  /** File name of the archive; absent for an image. */
  readonly archive: string | undefined;
  readonly layers: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
}

/** A SAM template with one function and no right but to read the secrets that it names. */
export function templateText({ name, sizing, archive, layers, secrets }: TemplateOptions): string {
  const statements = Object.values(secrets).map(secretStatement);
  const lines = [
    "AWSTemplateFormatVersion: '2010-09-09'",
    'Transform: AWS::Serverless-2016-10-31',
    `Description: The MCP server ${name} as a function`,
    'Resources:',
    '  Server:',
    '    Type: AWS::Serverless::Function',
    '    Properties:',
    `      FunctionName: ${name}`,
    ...(archive === undefined
      ? ['      PackageType: Image']
      : [`      CodeUri: ${archive}`, '      Handler: index.handler', '      Runtime: nodejs24.x']),
    '      Architectures: [x86_64]',
    `      MemorySize: ${sizing.memoryMb}`,
    `      Timeout: ${sizing.timeoutSeconds}`,
    ...(layers.length === 0 ? [] : ['      Layers:', ...layers.map((layer) => `        - ${layer}`)]),
    ...(statements.length === 0 ? [] : ['      Policies:', '        - Statement:', ...statements.flat()]),
    ...(archive === undefined
      ? ['    Metadata:', '      Dockerfile: Dockerfile', '      DockerContext: .', '      DockerTag: latest']
      : []),
    'Outputs:',
    '  FunctionArn:',
    '    Value: !GetAtt Server.Arn',
  ];
  return `${lines.join('\n')}\n`;
}

function secretStatement(reference: string): string[] {
  const isParameter = reference.startsWith('ssm:');
  const action = isParameter ? 'ssm:GetParameter' : 'secretsmanager:GetSecretValue';
  const path = reference.slice('ssm:'.length).replace(/^\//, '');
  const [secret = ''] = reference.split('#');
  const resource = isParameter
    ? `!Sub 'arn:\${AWS::Partition}:ssm:\${AWS::Region}:\${AWS::AccountId}:parameter/${path}'`
    : secret.startsWith('arn:')
      ? `'${secret}'`
      : `!Sub 'arn:\${AWS::Partition}:secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:${secret}-??????'`;
  return ['            - Effect: Allow', `              Action: ${action}`, `              Resource: ${resource}`];
}
