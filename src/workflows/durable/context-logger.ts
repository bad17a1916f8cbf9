/** `context.logger` of the SDK on the product's log; the SDK's own would write to standard output. */

import type { DurableLogger } from '@aws/durable-execution-sdk-js';
import type { LogLevel, Logger } from '../../core/ports.ts';

export function contextLogger(log: Logger): DurableLogger {
  const at =
    (level: LogLevel) =>
    (...parts: readonly unknown[]): void => {
      const [message = '', ...rest] = parts;
      const text = typeof message === 'string' ? message : JSON.stringify(message);
      log.log(level, 'workflow-log', { text, ...(rest.length > 0 && { parts: rest }) });
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
