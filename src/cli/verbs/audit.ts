/** `audit`: who did what, and whether nobody has touched the record of it. */

import { parseHead } from '../../audit/head.ts';
import { PlatformError } from '../../core/errors.ts';
import { textOf } from '../../core/json.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { connectToInstance } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';
import { moreText, queryOf } from './query.ts';

interface AuditRow {
  readonly at: string;
  readonly sequence: number;
  readonly entry: {
    readonly action: string;
    readonly principal: string;
    readonly resource: { readonly type: string; readonly id: string };
    readonly details?: Readonly<Record<string, unknown>>;
  };
}

export async function* auditLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', `/v1/audit?${queryOf(invocation, ['limit', 'cursor'])}`);
  const { records } = value as { records: readonly AuditRow[] };
  yield result(value, (style) =>
    records.length === 0
      ? 'Nothing has been recorded yet.'
      : table(
          records.map(({ at: when, entry: { action, principal, resource, details = {} } }) => [
            when,
            { text: action, paint: style.bold },
            oneLine(`${resource.type} ${resource.id}`, 100),
            oneLine(principal, 60),
            oneLine(['action', 'resource', 'why'].map((name) => textOf(details[name])).join(' '), 160),
          ]),
          '',
        ) + moreText(value),
  );
  return undefined;
}

/** The text alone, for a file. @throws PlatformError `NOT_FOUND` while there is nothing to keep. */
export async function* auditHead(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', '/v1/audit/head');
  const { head } = value as { readonly head: string };
  if (head === '')
    throw new PlatformError('NOT_FOUND', 'Nothing has been recorded yet, so there is no head to keep.', {
      next: 'zeroplane audit ls',
    });
  yield result(value, head);
  return undefined;
}

interface Verdict {
  readonly isIntact: boolean;
  readonly chains: number;
  readonly records: number;
  readonly until?: string;
  readonly problems: readonly { readonly chain: string; readonly sequence: number; readonly message: string }[];
}

/** What is no head would otherwise end like a trail that was touched. @throws PlatformError `USAGE`. */
function checkHead(text: string | undefined): void {
  try {
    if (text !== undefined) parseHead(text);
  } catch (thrown) {
    throw new PlatformError('USAGE', thrown instanceof Error ? thrown.message : String(thrown), {
      next: 'zeroplane audit head',
    });
  }
}

/** Ends with 1 when the trail was touched. */
export async function* auditVerify(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  checkHead(invocation.text('head'));
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', `/v1/audit/verify?${queryOf(invocation, ['head'])}`);
  const verdict = value as Verdict;
  yield result(verdict, (style) => verdictText(verdict, style));
  return verdict.isIntact ? EXIT.ok : EXIT.failed;
}

function verdictText({ isIntact, chains, records, until, problems }: Verdict, style: Style): string {
  const size = `${plural(records, 'record')} in ${plural(chains, 'chain')}`;
  if (isIntact) return `${style.good('intact')} ${size}${until === undefined ? '' : `, until ${until}`}`;
  const lines = problems.map(({ chain, sequence, message }) => `  ${chain} record ${sequence}  ${message}`);
  return [`${style.bad('touched')} ${size}`, ...lines].join('\n');
}
