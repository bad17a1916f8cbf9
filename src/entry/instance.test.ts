import { afterEach, describe, expect, test } from 'vitest';
import type { AssembledInstance, InstanceOptions } from '../../tests/fixtures/assembled.ts';
import { startInstance } from '../../tests/fixtures/assembled.ts';
import { exchange, textOf } from '../../tests/fixtures/http-exchange.ts';
import { define, scriptedTarget, withGateway } from '../../tests/fixtures/instance.ts';
import { WireClient } from '../../tests/fixtures/wire-client.ts';

const TOKEN = 'development-token';
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

let open: AssembledInstance[] = [];
afterEach(async () => {
  for (const instance of open.splice(0)) await instance.close();
});

async function start(config: NonNullable<InstanceOptions['config']>): Promise<AssembledInstance> {
  const instance = await startInstance({ config });
  open.push(instance);
  return instance;
}

/** Sends a registration of the server `far`. */
async function register(instance: AssembledInstance, url: string, method = 'POST', path = '') {
  const body = JSON.stringify({ type: 'mcp', name: 'far', url });
  const answer = await exchange({ url: `${instance.url}/register${path}`, method, headers, body });
  return { status: answer.status, value: JSON.parse(await textOf(answer.body)) as Record<string, unknown> };
}

describe('a server that is registered by its address', () => {
  test.each([
    'http://127.0.0.1:9/mcp',
    'https://10.1.2.3/mcp',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]/mcp',
    'http://[::ffff:10.0.0.1]/mcp',
    // Both are 127.0.0.1 to everybody who reads URLs as browsers do.
    'http://0x7f000001/mcp',
    'http://127.1/mcp',
  ])('is refused at once where no call could reach it: %s', async (url) => {
    const instance = await start({});
    const { status, value } = await register(instance, url);
    expect([status, value['code']]).toEqual([403, 'EGRESS_REFUSED']);
    expect(value['detail']).toContain(new URL(url).hostname.replaceAll(/[[\]]/g, ''));
    expect(value['detail']).toContain('egress.allow');
    const list = await exchange({ url: `${instance.url}/register`, method: 'GET', headers });
    expect(await textOf(list.body)).toBe('[]');
  });

  test('cannot move to such an address either', async () => {
    const instance = await start({});
    // A name is looked up by the calls.
    expect((await register(instance, 'http://localhost:9/mcp')).status).toBe(201);
    const moved = await register(instance, 'http://192.168.1.1/mcp', 'PUT', '/mcp-far');
    expect([moved.status, moved.value['code']]).toEqual([403, 'EGRESS_REFUSED']);
    const kept = await exchange({ url: `${instance.url}/register/mcp-far`, method: 'GET', headers });
    expect(await textOf(kept.body)).toContain('http://localhost:9/mcp');
  });

  test('is taken at an address that the operator allows', async () => {
    const instance = await start({ egress: { allow: ['127.0.0.0/8'] } });
    expect((await register(instance, 'http://127.0.0.1:9/mcp')).status).toBe(201);
    expect((await register(instance, 'http://10.0.0.1/mcp', 'PUT', '/mcp-far')).status).toBe(403);
  });

  test('may be anywhere when it stands in the configuration', () =>
    withGateway(
      {
        auth: 'none',
        targets: [
          scriptedTarget('wiki', [define('tool', { name: 'read', inputSchema: { type: 'object' } })], () => '{}'),
        ],
      },
      async ({ url }) => {
        const instance = await start({ mcpServers: { near: { url: `${url}/mcp/wiki` } } });
        const client = new WireClient({ url: instance.mcp, era: 'modern', token: TOKEN });
        const names = async (): Promise<unknown[]> => {
          const { result } = await client.request('tools/list');
          return ((result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name);
        };
        await expect.poll(names).toEqual(['near___read']);
      },
    ));
});
