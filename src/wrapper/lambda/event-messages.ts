/** The JSON-RPC messages of an event stream. */

/** A stream that sends more than this without ending an event is given up. */
const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;
const EVENT_END = /\r\n\r\n|\n\n|\r\r/;

/** @throws Error for an event that has no end, SyntaxError for data that is not JSON. */
export async function* eventMessages(body: AsyncIterable<Uint8Array>): AsyncGenerator {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let held = 0;
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true });
    parts.push(text);
    held += text.length;
    if (held > MAX_EVENT_CHARACTERS) throw new Error('The server sent an event that does not end.');
    // A large event comes in many chunks; it is looked at again only when a line may have ended.
    if (!/[\r\n]/.test(text)) continue;
    const events = parts.join('').split(EVENT_END);
    const rest = events.pop() ?? '';
    parts = [rest];
    held = rest.length;
    for (const event of events) yield* messageOf(event);
  }
  yield* messageOf(parts.join(''));
}

function* messageOf(event: string): Generator {
  const data = event
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(line.startsWith('data: ') ? 6 : 5))
    .join('\n');
  if (data.trim() !== '') yield JSON.parse(data) as unknown;
}
