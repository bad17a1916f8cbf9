import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { define, scriptedTarget, withGateway } from '../../tests/fixtures/instance.ts';
import type { Json, WireEra } from '../../tests/fixtures/wire-client.ts';
import { WireClient } from '../../tests/fixtures/wire-client.ts';
import type { LocalInstance } from '../testing.ts';

const MIB = 1_048_576;
const FLOOD = 1_500;

/** `flood` says more at one time than any client can have read; `large` answers with 3 MiB after it has said something. */
const talkative = () =>
  scriptedTarget(
    'talk',
    ['flood', 'large'].map((name) => define('tool', { name, inputSchema: { type: 'object' } })),
    async (call, exchange) => {
      exchange.notify('notifications/progress', '{"progress":1}');
      exchange.notify('notifications/message', '{"level":"info","data":"begins"}');
      // Until the stream is open.
      await delay(50);
      if (call.name === 'large') return JSON.stringify({ content: [{ type: 'text', text: 'y'.repeat(3 * MIB) }] });
      const log = JSON.stringify({ level: 'info', data: 'x'.repeat(2_000) });
      for (let sent = 0; sent < FLOOD; sent++) exchange.notify('notifications/message', log);
      return '{"content":[{"type":"text","text":"done"}]}';
    },
  );

async function open(gateway: LocalInstance, era: WireEra): Promise<WireClient> {
  const url = era === 'sse' ? `${gateway.url}/sse` : gateway.mcp;
  return new WireClient({ url, era, token: gateway.token }).open();
}

/** What the server has said in answer to one call, in order. */
async function said(
  client: WireClient,
  name: string,
  meta: Json = { 'io.modelcontextprotocol/logLevel': 'debug', progressToken: 'p' },
): Promise<readonly Json[]> {
  const from = client.seen.length;
  await client.request('tools/call', { name: `talk___${name}`, arguments: {} }, { meta });
  return client.seen
    .slice(from)
    .filter(({ sender }) => sender === 'server')
    .map(({ message }) => message as Json);
}

const ERAS: readonly WireEra[] = ['modern', 'session', 'stateless', 'sse'];

describe.each(ERAS)('to a client of %s', (era) => {
  test('a flood of log messages costs some of them, never the answer, and it is told how many', () =>
    withGateway({ targets: [talkative()] }, async (gateway) => {
      const client = await open(gateway, era);
      const messages = await said(client, 'flood');
      expect(messages.at(-1)).toMatchObject({ result: { content: [{ text: 'done' }] } });
      const notice = messages.at(-2)?.['params'] as { level: string; logger: string; data: string };
      expect(notice).toMatchObject({ level: 'warning', logger: 'zeroplane' });
      const leftOut = Number(/^\d+/.exec(notice.data)?.[0]);
      const logs = messages.filter(({ method }) => method === 'notifications/message').length - 1;
      expect(leftOut).toBeGreaterThan(0);
      expect(logs + leftOut).toBe(FLOOD + 1);
      expect(client.violations).toEqual([]);
      // The stream, where it is shared, goes on; and the next call is told everything.
      expect(await said(client, 'large')).toHaveLength(3);
      await client.close();
    }));

  test('an answer of 3 MiB arrives whole although something was said before it', () =>
    withGateway({ targets: [talkative()] }, async (gateway) => {
      const client = await open(gateway, era);
      const messages = await said(client, 'large');
      const result = messages.at(-1)?.['result'] as { content: { text: string }[] } | undefined;
      expect(result?.content[0]?.text).toHaveLength(3 * MIB);
      expect(messages.slice(0, -1).map(({ method }) => method)).toEqual([
        'notifications/progress',
        'notifications/message',
      ]);
      await client.close();
    }));
});

test.each([
  ['asked for no log messages', { progressToken: 'p' }],
  ['wants errors alone', { progressToken: 'p', 'io.modelcontextprotocol/logLevel': 'error' }],
])('a client that %s gets no notice', (_, meta) =>
  withGateway(
    {
      targets: [
        scriptedTarget(
          'talk',
          [define('tool', { name: 'flood', inputSchema: { type: 'object' } })],
          async (_call, exchange) => {
            exchange.notify('notifications/progress', '{"progress":0}');
            await delay(50);
            const message = 'x'.repeat(2_000);
            for (let progress = 1; progress <= FLOOD; progress++)
              exchange.notify('notifications/progress', JSON.stringify({ progress, message }));
            return '{"content":[]}';
          },
        ),
      ],
    },
    async (gateway) => {
      const messages = await said(await open(gateway, 'modern'), 'flood', meta);
      const { length } = messages.filter(({ method }) => method === 'notifications/progress');
      expect(length).toBeGreaterThan(100);
      expect(length).toBeLessThan(FLOOD);
      expect(messages).toHaveLength(length + 1);
    },
  ),
);
