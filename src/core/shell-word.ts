/** Words of a command that somebody is to copy into a shell. */

/** As it stands where no shell reads anything into it, else in single quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
