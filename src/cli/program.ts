/** The command data as a commander program, and one run of it from words to exit code. */

import { Command, CommanderError, Option } from 'commander';
import { PlatformError } from '../core/errors.ts';
import { CATALOGUE, GROUPS } from './catalogue.ts';
import { Invocation } from './command.ts';
import type { CliContext, CommandSpec, OptionSpec, OutputMode } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { Renderer } from './render.ts';

export const OUTPUT_OPTION: OptionSpec = {
  flags: '--output <mode>',
  description: 'How to print: text for people, json for one document, stream-json for one event a line',
  choices: ['text', 'json', 'stream-json'],
  default: 'text',
};

interface Chosen {
  readonly spec: CommandSpec;
  readonly invocation: Invocation;
}

/** Runs the words after the program's name. Never throws; @returns the exit code. */
export async function runCli(words: readonly string[], context: CliContext): Promise<number> {
  const renderer = new Renderer(outputModeOf(words), context.terminal);
  try {
    const chosen = parseWords(words, context);
    if (typeof chosen === 'number') return chosen;
    return await runCommand(chosen, context, renderer);
  } catch (error) {
    return context.interrupted.aborted ? EXIT.interrupted : renderer.error(error);
  }
}

async function runCommand(chosen: Chosen, context: CliContext, renderer: Renderer): Promise<number> {
  const handler = await chosen.spec.load();
  const events = handler(chosen.invocation, context);
  const stopped = chosen.spec.endsItself === true ? new Promise<never>(() => {}) : interruption(context.interrupted);
  for (;;) {
    const next = await Promise.race([events.next(), stopped]);
    if (next === 'interrupted') return EXIT.interrupted;
    if (next.done === true) return next.value ?? EXIT.ok;
    renderer.event(next.value);
  }
}

function interruption(signal: AbortSignal): Promise<'interrupted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('interrupted');
    signal.addEventListener('abort', () => resolve('interrupted'), { once: true });
  });
}

/** Read before parsing, because errors of the parsing are printed in this mode too. */
function outputModeOf(words: readonly string[]): OutputMode {
  const end = words.indexOf('--');
  const flags = end < 0 ? words : words.slice(0, end);
  const at = flags.indexOf('--output');
  const value = at >= 0 ? flags[at + 1] : flags.find((word) => word.startsWith('--output='))?.slice('--output='.length);
  return value === 'json' || value === 'stream-json' ? value : 'text';
}

/** @returns the verb to run, or an exit code when commander has already answered (help, version). */
function parseWords(words: readonly string[], context: CliContext): Chosen | number {
  let chosen: Chosen | undefined;
  let complaint = '';
  const program = buildProgram(
    (spec, invocation) => {
      chosen = { spec, invocation };
    },
    { out: (text) => context.terminal.write('stdout', text), error: (text) => (complaint += text) },
    context.version,
  );
  try {
    if (words.length === 0) program.outputHelp();
    else program.parse([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.ok;
    throw usageError(error, complaint);
  }
  return chosen ?? EXIT.ok;
}

function usageError(error: CommanderError, complaint: string): PlatformError {
  if (error.code === 'commander.help') return new PlatformError('USAGE', 'A verb is missing.', { block: complaint });
  const [first = error.message, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const hint = rest.join(' ').trim();
  const message = `${first.charAt(0).toUpperCase()}${first.slice(1)}${hint === '' ? '.' : ` ${hint}`}`;
  return new PlatformError('USAGE', message, { next: 'zeroplane --help' });
}

type Choose = (spec: CommandSpec, invocation: Invocation) => void;
interface Writers {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** The program with every verb. */
function buildProgram(choose: Choose, writers: Writers, version: string): Command {
  const program = new Command('zeroplane')
    .description('One MCP endpoint for every tool you have.')
    .version(version, '-V, --version', 'Print the version')
    .helpOption('-h, --help', 'Print help');
  settle(program, writers);
  const groups = new Map<string, Command>();
  for (const spec of CATALOGUE) {
    const [first = '', second] = spec.path;
    const parent = second === undefined ? program : groupOf(program, groups, { name: first, writers });
    addVerb(parent, spec, { choose, writers });
  }
  return program;
}

function settle(command: Command, writers: Writers): void {
  command
    .exitOverride()
    .configureOutput({ writeOut: writers.out, writeErr: writers.error, outputError: () => {} })
    .helpCommand(false)
    .showSuggestionAfterError(true);
}

function groupOf(program: Command, groups: Map<string, Command>, at: { name: string; writers: Writers }): Command {
  const known = groups.get(at.name);
  if (known !== undefined) return known;
  const group = program.command(at.name).description(GROUPS.get(at.name) ?? '');
  group.helpOption('-h, --help', 'Print help');
  settle(group, at.writers);
  groups.set(at.name, group);
  return group;
}

function addVerb(parent: Command, spec: CommandSpec, how: { choose: Choose; writers: Writers }): void {
  const command = parent
    .command(spec.path.at(-1) ?? '')
    .summary(spec.summary)
    .description(spec.description ?? `${spec.summary}.`);
  command.helpOption('-h, --help', 'Print help');
  settle(command, how.writers);
  for (const argument of spec.arguments ?? []) command.argument(argument.syntax, argument.description);
  for (const option of [...(spec.options ?? []), OUTPUT_OPTION]) command.addOption(toOption(option));
  command.addHelpText('after', `\nExamples:\n${exampleLines(spec)}`);
  command.action(() => {
    const options = new Map<string, unknown>(Object.entries(command.opts()));
    how.choose(spec, new Invocation([...command.args], options, options.get('output') as OutputMode));
  });
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.description);
  if (spec.choices !== undefined) option.choices([...spec.choices]);
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.repeats === true)
    option.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value]);
  return option;
}

function exampleLines(spec: CommandSpec): string {
  return spec.examples.map((example) => `  $ ${example.command}\n      ${example.meaning}`).join('\n');
}
