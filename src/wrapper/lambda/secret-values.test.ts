import { expect, test } from 'vitest';
import type { FetchLike } from './signed-fetch.ts';
import { hasSecrets, withSecrets } from './secret-values.ts';

const host = { AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 'hush' };

interface Seen {
  readonly url: string;
  readonly target: string | null;
  readonly body: unknown;
}

/** Both services, with two secrets and one parameter. */
function services(): { readonly send: FetchLike; readonly seen: Seen[] } {
  const seen: Seen[] = [];
  const answers: Readonly<Record<string, unknown>> = {
    '{"SecretId":"db"}': { SecretString: '{"user":"ada","password":"s3cret$&"}' },
    '{"SecretId":"arn:aws:secretsmanager:eu-west-1:1:secret:key-AbC"}': { SecretString: 'plain' },
    '{"Name":"/app/token","WithDecryption":true}': { Parameter: { Value: 't0ken' } },
    '{"SecretId":"binary"}': { SecretBinary: 'AA==' },
  };
  const send: FetchLike = (url, init = {}) => {
    const headers = new Headers(init.headers);
    const body = init.body as string;
    seen.push({ url: String(url), target: headers.get('x-amz-target'), body: JSON.parse(body) });
    expect(headers.get('authorization')).toContain('AWS4-HMAC-SHA256 Credential=AKID/');
    const answer = answers[body];
    return Promise.resolve(
      answer === undefined
        ? new Response('{"__type":"ResourceNotFoundException"}', { status: 400 })
        : new Response(JSON.stringify(answer)),
    );
  };
  return { send, seen };
}

test('3.15: secrets are put in place of their references, each fetched once', async () => {
  const { send, seen } = services();
  const variables = {
    PLAIN: 'x ${HOME} $${ssm}',
    URL: 'postgres://${secretsmanager:db#user}:${secretsmanager:db#password}@host',
    KEY: '${secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:key-AbC}',
    TOKEN: '${ssm:/app/token}',
    AGAIN: '${ssm:/app/token}${ssm:/app/token}',
  };
  expect(hasSecrets(variables)).toBe(true);
  expect(hasSecrets({ PLAIN: variables.PLAIN })).toBe(false);
  expect(await withSecrets(variables, host, send)).toEqual({
    PLAIN: variables.PLAIN,
    URL: 'postgres://ada:s3cret$&@host',
    KEY: 'plain',
    TOKEN: 't0ken',
    AGAIN: 't0kent0ken',
  });
  expect(seen.filter(({ target }) => target === 'AmazonSSM.GetParameter')).toHaveLength(1);
  expect(new Set(seen.map(({ url }) => url))).toEqual(
    new Set(['https://secretsmanager.eu-west-1.amazonaws.com/', 'https://ssm.eu-west-1.amazonaws.com/']),
  );
});

test('an endpoint of the environment is used', async () => {
  const { send, seen } = services();
  await withSecrets({ A: '${ssm:/app/token}' }, { ...host, AWS_ENDPOINT_URL_SSM: 'http://127.0.0.1:9/' }, send);
  expect(seen[0]?.url).toBe('http://127.0.0.1:9/');
});

test.each([
  ['${secretsmanager:absent}', /HTTP 400 .*ResourceNotFoundException/],
  ['${secretsmanager:db#absent}', /no text under "absent"/],
  ['${secretsmanager:binary}', /it has no text/],
])('%s is an error that names the variable and the next step', async (reference, reason) => {
  const outcome = withSecrets({ DB: reference }, host, services().send);
  await expect(outcome).rejects.toThrow(reason);
  await expect(outcome).rejects.toThrow(`The variable DB needs ${reference}`);
  await expect(outcome).rejects.toMatchObject({ code: 'CONFIG_MISSING_SECRET' });
});

test('a function without credentials says so', async () => {
  await expect(withSecrets({ A: '${ssm:x}' }, {}, services().send)).rejects.toThrow('has no credentials');
});
