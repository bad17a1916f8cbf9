/** What a child process may know of its host. */

/**
 * The host variables a child gets: enough to find programs, a home, a language and a place for temporary files.
 * Everything else, credentials and `NODE_OPTIONS` among it, has to be configured for the server by name.
 */
const INHERITED_VARIABLES: readonly string[] = ['PATH', 'HOME', 'LANG', 'TMPDIR'];

/**
 * The whole environment of a child, but for the mark it is found by (`stragglers.ts`): {@link INHERITED_VARIABLES} of the host, then what is configured for it.
 *
 * @param host - The host's environment, as read by the entry.
 */
export function childEnvironment(
  host: Readonly<Record<string, string | undefined>>,
  configured: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const environment = Object.create(null) as Record<string, string>;
  for (const name of INHERITED_VARIABLES) {
    const value = host[name];
    if (value !== undefined) environment[name] = value;
  }
  for (const [name, value] of Object.entries(configured)) environment[name] = value;
  return environment;
}
