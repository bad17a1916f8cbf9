/** The time between ready and the end of `dev`: reloads, keys, and what the instance tells. */

import { systemClock } from '../adapters/embedded/system.ts';
import { formatProblems } from '../config/problems.ts';
import type { ConfigProblem } from '../config/problems.ts';
import type { LoadedConfig } from '../config/load.ts';
import { watchConfig } from '../config/watch.ts';
import type { ConfigDiff, ConfigWatch } from '../config/watch.ts';
import type { LocalInstance } from '../entry/local.ts';
import { KEY_LINE } from './banner.ts';
import { InstanceClient } from './client.ts';
import type { CliContext, CliEvent, OutputMode } from './command.ts';
import { EventQueue } from './event-queue.ts';
import { COLOURED, PLAIN } from './style.ts';
import { listText, listTools } from './verbs/tools.ts';
import { statusText } from './verbs/status.ts';

export class DevSession {
  readonly #queue = new EventQueue<CliEvent>();
  readonly #context: CliContext;
  readonly #output: OutputMode;
  readonly #load: () => Promise<LoadedConfig>;
  readonly #instance: Promise<LocalInstance>;
  #started: (instance: LocalInstance) => void = () => {};
  #stopKeys: (() => void) | undefined;
  #watch: ConfigWatch | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(context: CliContext, output: OutputMode, load: () => Promise<LoadedConfig>) {
    this.#context = context;
    this.#output = output;
    this.#load = load;
    this.#instance = new Promise((resolve) => {
      this.#started = resolve;
    });
  }

  /** Passes an event of the instance on; people see those that have a message. */
  tell(event: { readonly type: string; readonly message?: string }): void {
    const text = event.message === undefined ? {} : { text: event.message };
    this.#queue.push({ type: 'event', event: { ...event }, ...text });
  }

  /** Watches from the moment the configuration was read, so that no change during the start is missed. */
  watch(loaded: LoadedConfig): void {
    this.#watch = watchConfig(loaded, {
      load: this.#load,
      clock: systemClock,
      onChange: (next, diff) => this.#inTurn(() => this.#apply(next, diff)),
      onInvalid: (problems, error) => this.#inTurn(() => this.#reportInvalid(problems, error)),
    });
  }

  /** The instance is there: what has changed meanwhile is applied, and keys are listened to. */
  begin(instance: LocalInstance): void {
    const { interrupted, terminal } = this.#context;
    this.#started(instance);
    if (this.#output === 'text' && terminal.canAsk) {
      this.#stopKeys = terminal.onKey((key) => void this.#onKey(key, instance));
    }
    if (interrupted.aborted) this.end();
    else interrupted.addEventListener('abort', () => this.end(), { once: true });
  }

  /** Ends with the session: on a signal, or when `q` is pressed. */
  events(): AsyncIterable<CliEvent> {
    return this.#queue;
  }

  end(): void {
    this.#stopKeys?.();
    this.#stopKeys = undefined;
    this.#watch?.close();
    this.#queue.end();
  }

  /** One after another, so that the last state of the file is the one that stays. */
  #inTurn(act: () => Promise<void>): void {
    this.#turn = this.#turn.then(act);
  }

  async #apply(loaded: LoadedConfig, diff: ConfigDiff): Promise<void> {
    const instance = await this.#instance;
    try {
      await instance.reload(loaded);
    } catch (error) {
      this.#queue.push({
        type: 'log',
        level: 'error',
        message: `The new configuration could not be applied: ${(error as Error).message}`,
      });
      return;
    }
    const { servers, functions, keys, needsRestart } = diff;
    this.#queue.push({
      type: 'event',
      event: { type: 'config-reloaded', servers, functions, keys, needsRestart },
      text: reloadText(diff),
    });
  }

  async #reportInvalid(problems: readonly ConfigProblem[], error: unknown): Promise<void> {
    const instance = await this.#instance;
    instance.refuse(problems);
    const said = problems.length > 0 ? formatProblems(problems) : `error  ${(error as Error).message}\n`;
    const text = `${said}  The last good configuration stays in use.`;
    this.#queue.push({ type: 'event', event: { type: 'config-invalid', problems }, text });
  }

  async #onKey(key: string, instance: LocalInstance): Promise<void> {
    const { terminal, version } = this.#context;
    const style = terminal.colour ? COLOURED : PLAIN;
    if (key === 'q') this.end();
    else if (key === 's') this.#show(statusText(instance.status(), style));
    else if (key === 'c')
      this.#show(
        '  In another terminal:  zeroplane connect  lists the clients,  zeroplane connect claude-code  writes its configuration.',
      );
    else if (key === 'r') {
      await this.#watch?.reload();
      await instance.relist();
    } else if (key === '?') this.#show(`  ${KEY_LINE}`);
    else if (key === 't') {
      const client = new InstanceClient({ url: instance.url, token: instance.token, version, timeoutMs: 10_000 });
      const tools = await listTools(client).catch((error: unknown) => error as Error);
      this.#show(tools instanceof Error ? tools.message : listText(tools, style, terminal.columns));
    }
  }

  /** Made by us and coloured, so it goes to the terminal as it is. */
  #show(text: string): void {
    this.#context.terminal.write('stdout', `${text}\n`);
  }
}

/** `Configuration read again: added docs; removed fs`. */
export function reloadText(diff: ConfigDiff): string {
  if (diff.isEmpty) return 'Configuration read again: nothing changed.';
  const names = (key: 'added' | 'removed' | 'changed'): string[] => [...diff.servers[key], ...diff.functions[key]];
  const parts = (['added', 'removed', 'changed'] as const)
    .filter((key) => names(key).length > 0)
    .map((key) => `${key} ${names(key).join(', ')}`);
  if (diff.keys.length > 0) parts.push(`changed ${diff.keys.join(', ')}`);
  const restart = diff.needsRestart.length === 0 ? '' : ` (${diff.needsRestart.join(', ')}: from the next start on)`;
  return `Configuration read again: ${parts.join('; ')}${restart}`;
}
