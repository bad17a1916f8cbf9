/** Names and descriptions of tools that are functions. */

/**
 * The prefix goes, other characters than letters, digits and `_` become `_`, a leading digit gets a `_` in front.
 *
 * @see docs/reference/names.md
 */
export function publishedName(name: string, prefix = ''): string {
  const rest = name.startsWith(prefix) && name.length > prefix.length ? name.slice(prefix.length) : name;
  // Three underscores would read as target and tool.
  const legal = rest.replaceAll(/[^A-Za-z0-9_]/g, '_').replaceAll(/_{3,}/g, '__');
  return /^\d/.test(legal) ? `_${legal}` : legal;
}

/** The name, or the first `name_2`, `name_3`, … that is free; taken afterwards, whatever its case. */
export function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let count = 2; taken.has(free.toLowerCase()); count++) free = `${name}_${count}`;
  taken.add(free.toLowerCase());
  return free;
}

const FORMAT_MARK = 'Expected format:';

/** What a description says of the arguments, behind the words that announce it. */
export function expectedFormat(description: string): string | undefined {
  const [, format = ''] = description.split(FORMAT_MARK);
  return format.trim() === '' ? undefined : format.trim();
}

/** What a model reads of a function: its description, with the format of its arguments said once more as such. */
export function toolDescription(name: string, description: string | undefined): string {
  if (description === undefined || description === '') return `AWS Lambda function: ${name}`;
  const format = expectedFormat(description);
  return format === undefined ? description : `${description}\n\nParameters: ${format}`;
}
