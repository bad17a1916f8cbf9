/** `docs/reference/cli.md`, made from the command data. A test holds the page equal to this. */

import { CATALOGUE, GROUPS } from './catalogue.ts';
import type { CommandSpec, OptionSpec } from './command.ts';
import { EXIT_MEANINGS } from './exit-codes.ts';
import { OUTPUT_OPTION } from './program.ts';

export function referencePage(): string {
  const sections = CATALOGUE.map(verbSection);
  return `${[INTRODUCTION, summaryTable(), ...sections, OUTPUT, exitTable()].join('\n\n')}\n`;
}

const INTRODUCTION = `# Command line

\`\`\`text
zeroplane VERB [arguments] [options]
\`\`\`

In a checkout \`npm start -- ARGS\` is \`zeroplane dev ARGS\`, and \`npm run cli -- VERB ARGS\` is any verb; both build first when the sources are newer than the last build. \`zeroplane VERB --help\` prints what stands here.

Verbs that need a running instance find it through \`instance.json\` in its data folder: \`.zeroplane\` beside the configuration, or the one that \`--data-dir\` names. They end with exit code 6 when none runs.`;

function summaryTable(): string {
  const rows = CATALOGUE.map((spec) => `| [\`${spec.path.join(' ')}\`](#${anchor(spec)}) | ${spec.summary} |`);
  return ['| Verb | What it does |', '|---|---|', ...rows].join('\n');
}

function anchor(spec: CommandSpec): string {
  return `zeroplane-${spec.path.join('-')}`;
}

function verbSection(spec: CommandSpec): string {
  const parts = [`## zeroplane ${spec.path.join(' ')}`, spec.description ?? `${spec.summary}.`, usage(spec)];
  if (spec.arguments !== undefined) {
    parts.push(
      list(
        'Argument',
        spec.arguments.map((argument) => [argument.syntax, argument.description]),
      ),
    );
  }
  parts.push(
    list(
      'Option',
      [...(spec.options ?? []), OUTPUT_OPTION].map((option) => [option.flags, optionText(option)]),
    ),
  );
  const examples = spec.examples.map((example) => `# ${example.meaning}\n${example.command}`);
  parts.push(`\`\`\`sh\n${examples.join('\n\n')}\n\`\`\``);
  return parts.join('\n\n');
}

function usage(spec: CommandSpec): string {
  const words = ['zeroplane', ...spec.path, ...(spec.arguments ?? []).map((argument) => argument.syntax), '[options]'];
  return `\`\`\`text\n${words.join(' ')}\n\`\`\``;
}

function optionText(option: OptionSpec): string {
  const choices =
    option.choices === undefined ? '' : ` One of ${option.choices.map((choice) => `\`${choice}\``).join(', ')}.`;
  const fallback = option.default === undefined ? '' : ` Default \`${option.default}\`.`;
  return `${option.description}.${choices}${fallback}`;
}

function list(head: string, rows: readonly (readonly string[])[]): string {
  const lines = rows.map(([name = '', text = '']) => `| \`${name}\` | ${text.replaceAll('|', '\\|')} |`);
  return [`| ${head} | |`, '|---|---|', ...lines].join('\n');
}

const OUTPUT = `## Output

Results are on stdout, everything else is on stderr. \`--output json\` prints one JSON document: the result on stdout, or \`{"error":{"code","message","next","exitCode"}}\` on stderr. \`--output stream-json\` prints one JSON object a line on stdout, each with a \`type\`: \`ready\`, \`step\`, \`log\`, \`result\`, \`error\`, or the name of an event.

The first line of \`zeroplane dev --output stream-json\` is

\`\`\`json
{"type":"ready","url":"http://127.0.0.1:7420","mcp":"http://127.0.0.1:7420/mcp","admin":"http://127.0.0.1:7420/register","token":"…","clouds":{"aws":"http://127.0.0.1:7421"},"pid":4242}
\`\`\`

Nothing is ever asked when stdin or stderr is no terminal, or when \`CI\` is set. Colours are used on a terminal only; \`NO_COLOR\` turns them off and \`FORCE_COLOR\` on.`;

function exitTable(): string {
  const groups = [...GROUPS.keys()].map((name) => `\`zeroplane ${name}\``).join(', ');
  const rows = EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${meaning} |`);
  const note = `A group without its verb (${groups}) and an unknown verb end with 2; the nearest verb is named. \`zeroplane dev\` ends with 130 after Ctrl-C and with 0 after SIGTERM.`;
  return ['## Exit codes', ['| Code | Meaning |', '|---|---|', ...rows].join('\n'), note].join('\n\n');
}
