/**
 * Two files of undici, imported by themselves: the whole package costs three times the time and 8 MiB more, and
 * puts its own dispatcher behind the global `fetch` of the process.
 */

declare module 'undici/lib/dispatcher/agent.js' {
  import type { Agent } from 'undici';

  const agent: typeof Agent;
  export = agent;
}

declare module 'undici/lib/core/connect.js' {
  import type { buildConnector } from 'undici';

  const build: typeof buildConnector;
  export = build;
}
