/** The text of a definition: strict JSON, with the place of every value. */

import type { Node, ParseError } from 'jsonc-parser';
import { findNodeAtLocation, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { JsonValue } from '../../core/ports.ts';
import { scan } from '../../core/json.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Problems } from './problems.ts';

/** Both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface DefinitionText {
  /** `undefined` when the text is not JSON. */
  readonly value: JsonValue | undefined;
  /** Where the value that a JSON pointer names begins, or the innermost one around it that exists. */
  locate(pointer: string): Position;
}

const STRICT = { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false };
const ROOT = { state: undefined, pointer: '' };

export function readDefinition(text: string, problems: Problems): DefinitionText {
  const errors: ParseError[] = [];
  // Depth and repeated keys first: the parser of positions takes both.
  const isSound = checkSound(text, problems);
  const root = isSound ? parseTree(text, errors, STRICT) : undefined;
  for (const error of errors.slice(0, 5)) {
    const position = positionAt(text, error.offset);
    problems.invalid(
      { ...ROOT, ...position },
      `It is not JSON: ${printParseErrorCode(error.error)}.`,
      'Correct the text.',
    );
  }
  const isJson = root !== undefined && errors.length === 0;
  return {
    value: isJson ? (JSON.parse(text) as JsonValue) : undefined,
    locate: (pointer) => (root === undefined ? { line: 1, column: 1 } : locate(text, root, pointer)),
  };
}

function checkSound(text: string, problems: Problems): boolean {
  try {
    scan(text, 0);
    return true;
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    // What is not JSON at all gets its place from the parser below.
    if (error.code === 'PARSE_ERROR') return true;
    problems.invalid(ROOT, error.message, 'Correct the text.');
    return false;
  }
}

function locate(text: string, root: Node, pointer: string): Position {
  const keys = pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  let node = root;
  for (const key of keys) {
    const step = node.type === 'array' ? Number(key) : key;
    const inner = findNodeAtLocation(node, [step]);
    if (inner === undefined) break;
    node = inner;
  }
  // A member is found where its name stands.
  const place = node.parent?.type === 'property' ? node.parent : node;
  return positionAt(text, place.offset);
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}
