import { expect, test } from 'vitest';
import { childTrace, withTrace } from './trace.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${ID}-b7ad6b7169203331-01`;

test('a trace goes on under a span of our own', () => {
  const { traceparent = '', tracestate } = childTrace({ traceparent: PARENT, tracestate: 'a=1' }, {});
  expect(traceparent).toMatch(new RegExp(`^00-${ID}-[0-9a-f]{16}-01$`));
  expect(traceparent).not.toBe(PARENT);
  expect(tracestate).toBe('a=1');
});

test('_meta outranks the headers, and each carries its own state', () => {
  const other = PARENT.replace(ID, 'f'.repeat(32));
  const child = childTrace({ traceparent: PARENT }, { traceparent: other, tracestate: 'b=2' });
  expect(child.traceparent).toContain(ID);
  expect(child.tracestate).toBeUndefined();
});

test('the headers count when _meta has no trace', () => {
  expect(childTrace({}, { traceparent: PARENT, baggage: 'k=v' })).toMatchObject({ baggage: 'k=v' });
});

test.each([
  'garbage',
  `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
  `00-${ID}-${'0'.repeat(16)}-01`,
  `00-${ID.toUpperCase()}-b7ad6b7169203331-01`,
  `ff-${ID}-b7ad6b7169203331-01`,
])('an invalid traceparent (%s) starts nothing', (traceparent) => {
  expect(childTrace({ traceparent }, {})).toEqual({});
});

test('state that could break a header is dropped', () => {
  expect(childTrace({ traceparent: PARENT, tracestate: 'a=1\r\nX: y' }, {}).tracestate).toBeUndefined();
});

test('the members that travel on carry the new span in place of the old one', () => {
  const meta = [
    { key: 'traceparent', text: '"old"' },
    { key: 'com.example/a', text: '1' },
  ];
  expect(withTrace(meta, { traceparent: PARENT })).toEqual([
    { key: 'com.example/a', text: '1' },
    { key: 'traceparent', text: JSON.stringify(PARENT) },
  ]);
  expect(withTrace(meta, {})).toEqual([{ key: 'com.example/a', text: '1' }]);
  expect(withTrace(meta.slice(1), {})).toEqual(meta.slice(1));
});
