/** Questions of a running tool (`inputRequests`), answered by the person at the terminal. */

import { PlatformError } from '../core/errors.ts';
import type { Terminal } from './command.ts';
import { oneLine, printable, textOf } from './style.ts';

interface FieldSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  /** Choices with a title of their own. */
  readonly oneOf?: readonly TitledChoice[];
  /** Of a list of choices. */
  readonly items?: { readonly enum?: readonly string[]; readonly anyOf?: readonly TitledChoice[] };
  readonly default?: unknown;
}

interface TitledChoice {
  readonly const: string;
  readonly title?: string;
}

interface Question {
  readonly message: string;
  readonly fields: readonly (readonly [string, FieldSchema])[];
  readonly required: ReadonlySet<string>;
}

type Answer =
  | { readonly action: 'decline' | 'cancel' }
  | { readonly action: 'accept'; readonly content: Record<string, unknown> };

/**
 * @throws PlatformError `CLIENT_CANNOT_ANSWER` without a terminal, and for anything but a form: sampling and
 *   roots are for programs that have a model or a project.
 */
export async function answerQuestions(requests: unknown, terminal: Terminal): Promise<Record<string, Answer>> {
  const answers: Record<string, Answer> = Object.create(null);
  for (const [key, request] of Object.entries((requests ?? {}) as Record<string, unknown>)) {
    const question = readQuestion(request);
    if (!terminal.canAsk) {
      const message = `The tool asks "${oneLine(question.message, 200)}", and there is no terminal to answer from. Call it from a terminal.`;
      throw new PlatformError('CLIENT_CANNOT_ANSWER', message);
    }
    answers[key] = await askForm(question, terminal);
  }
  return answers;
}

function readQuestion(request: unknown): Question {
  const { method, params } = request as { method?: string; params?: Record<string, unknown> };
  const mode = params?.['mode'] ?? 'form';
  if (method !== 'elicitation/create' || mode !== 'form') {
    throw new PlatformError(
      'CLIENT_CANNOT_ANSWER',
      `The tool asks for ${method ?? 'something'} (${textOf(mode)}), which this program cannot answer.`,
    );
  }
  const schema = (params?.['requestedSchema'] ?? {}) as {
    properties?: Record<string, FieldSchema>;
    required?: string[];
  };
  return {
    message: textOf(params?.['message'] ?? ''),
    fields: Object.entries(schema.properties ?? {}),
    required: new Set(schema.required),
  };
}

async function askForm(question: Question, terminal: Terminal): Promise<Answer> {
  terminal.write('stderr', `${printable(question.message)}\n`);
  const consent = await terminal.ask('Answer? [Y]es, [n]o, [c]ancel: ');
  if (consent === undefined || /^c/i.test(consent.trim())) return { action: 'cancel' };
  if (/^n/i.test(consent.trim())) return { action: 'decline' };
  const content: Record<string, unknown> = Object.create(null);
  for (const [name, schema] of question.fields) {
    const value = await askField({ name, schema, isRequired: question.required.has(name) }, terminal);
    if (value === CANCELLED) return { action: 'cancel' };
    if (value !== undefined) content[name] = value;
  }
  return { action: 'accept', content };
}

const CANCELLED = Symbol('cancelled');

interface Field {
  readonly name: string;
  readonly schema: FieldSchema;
  readonly isRequired: boolean;
}

/** Asks until the answer fits. An empty line takes the default, or leaves an optional field out. */
async function askField(field: Field, terminal: Terminal): Promise<unknown> {
  for (;;) {
    const line = await terminal.ask(promptOf(field));
    if (line === undefined) return CANCELLED;
    if (line === '' && field.schema.default !== undefined) return field.schema.default;
    if (line === '' && !field.isRequired) return undefined;
    const value = readField(field.schema, line);
    if (value !== undefined) return value;
    terminal.write('stderr', `  That does not fit; ${expected(field.schema)} is needed.\n`);
  }
}

function promptOf({ name, schema, isRequired }: Field): string {
  const label = oneLine(schema.title ?? schema.description ?? name, 200);
  const fallback =
    schema.default === undefined
      ? isRequired
        ? ''
        : ', may be empty'
      : `, default ${oneLine(JSON.stringify(schema.default), 60)}`;
  return `  ${label} (${expected(schema)}${fallback}): `;
}

function expected(schema: FieldSchema): string {
  const choices = choicesOf(schema);
  if (choices !== undefined)
    return `${schema.type === 'array' ? 'any' : 'one'} of ${choices.map((value) => oneLine(value, 40)).join(', ')}`;
  if (schema.type === 'boolean') return 'yes or no';
  return schema.type === 'integer' ? 'a whole number' : schema.type === 'number' ? 'a number' : 'text';
}

function choicesOf(schema: FieldSchema): readonly string[] | undefined {
  const { items, oneOf } = schema;
  return (
    schema.enum ?? oneOf?.map((choice) => choice.const) ?? items?.enum ?? items?.anyOf?.map((choice) => choice.const)
  );
}

/** `undefined` when the line does not fit the field. Several choices are divided by commas. */
export function readField(schema: FieldSchema, line: string): unknown {
  const choices = choicesOf(schema);
  if (schema.type === 'array') {
    const words = line.split(',').map((word) => word.trim());
    return words.every((word) => choices?.includes(word)) ? words : undefined;
  }
  if (choices !== undefined) return choices.includes(line) ? line : undefined;
  if (schema.type === 'boolean') return readBoolean(line);
  if (schema.type !== 'integer' && schema.type !== 'number') return line;
  const number = line.trim() === '' ? Number.NaN : Number(line);
  const fits = schema.type === 'integer' ? Number.isInteger(number) : Number.isFinite(number);
  return fits ? number : undefined;
}

function readBoolean(line: string): boolean | undefined {
  if (/^(y|yes|true)$/i.test(line)) return true;
  return /^(n|no|false)$/i.test(line) ? false : undefined;
}
