/**
 * Answers in the words of the earlier Lambda tool servers, for `compat: ["002"]`: a sentence with the function's
 * payload, indented as Python's `json.dumps(indent=2)` does.
 */

import { failureOf } from './function-failure.ts';
import { replyOf, type FunctionAnswer } from './function-result.ts';
import { replyWords } from './function-reply.ts';

const MAX_ERROR_TEXT = 8 * 1024;

/** The text of a `tools/call` result. @param name - Lambda's name of the function. */
export function compatResult(name: string, answer: FunctionAnswer): string {
  if (answer.functionError !== undefined) {
    const { words } = failureOf(name, answer.payload);
    const text = `Function ${name} returned with error: ${answer.functionError} (${words})`;
    return JSON.stringify({ content: [{ type: 'text', text: text.slice(0, MAX_ERROR_TEXT) }], isError: true });
  }
  const reply = replyOf(answer);
  const whole = answer.streamed === undefined ? answer.payload : replyWords(reply);
  const text = `Function ${name} ${sentenceOf(whole)}`;
  return JSON.stringify({ content: [{ type: 'text', text }], ...(reply.isFailure ? { isError: true } : {}) });
}

function sentenceOf(payload: string): string {
  try {
    JSON.parse(payload);
  } catch {
    return `returned payload: ${payload}`;
  }
  return `returned: ${indented(payload)}`;
}

/** Strings, brackets and commas, and what stands between them. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Lays JSON text out anew; numbers and strings stay as they are written. */
export function indented(json: string): string {
  let out = '';
  let depth = 0;
  let open = '';
  for (const [token] of json.matchAll(TOKEN)) {
    const isOpening = token === '{' || token === '[';
    const isClosing = token === '}' || token === ']';
    if (isClosing) depth--;
    if (open !== '' && !isClosing) out += lineAt(depth);
    if (isClosing && open === '') out += lineAt(depth);
    if (isOpening) depth++;
    out += token === ':' ? ': ' : token;
    if (token === ',') out += lineAt(depth);
    open = isOpening ? token : '';
  }
  return out;
}

function lineAt(depth: number): string {
  return `\n${'  '.repeat(depth)}`;
}
