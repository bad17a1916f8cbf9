/** `ChangeFeed`: one sequence per tenant, kept in the store, told at once inside the process. */

import { PlatformError } from '../../../core/errors.ts';
import type { Change, ChangeFeed, JsonValue } from '../../../core/ports.ts';
import type { SqlDriver, SqlRow } from './driver.ts';
import { numberOf, textOf } from './driver.ts';
import type { Scope } from './scope.ts';
import { checkedInteger, checkedText } from './scope.ts';
import type { StoreCore } from './store-core.ts';

const MAX_READ = 1000;

/** A change as both its tenant and the system see it. */
interface Published {
  readonly tenant: string;
  readonly own: Change;
  readonly system: Change;
}

/** In the system's scope a topic reads `<tenant>#<topic>` and the sequence runs over all tenants. */
export class EmbeddedChangeFeed implements ChangeFeed {
  readonly #core: StoreCore;
  readonly #scope: Scope;

  constructor(core: StoreCore, scope: Scope) {
    this.#core = core;
    this.#scope = scope;
  }

  async publish(topic: string, detail: JsonValue = null): Promise<number> {
    const [tenant, ownTopic] = this.#address(checkedText(topic, 'A topic', 512));
    const at = this.#core.steadyMs();
    const published = await this.#core.commit.submit((driver) =>
      insert(driver, { tenant, topic: ownTopic, detail, at }),
    );
    this.#core.hub.emit(tenant, published.own);
    this.#core.hub.emit('', published.system);
    return this.#scope.prefix === '' ? published.system.sequence : published.own.sequence;
  }

  async read(after: number, limit = MAX_READ): Promise<readonly Change[]> {
    const count = checkedInteger(limit, 'The limit of a read', [1, MAX_READ]);
    if (!Number.isFinite(after))
      throw new PlatformError('INVALID_ARGUMENTS', 'The sequence to read after must be a number.');
    const { tenant, prefix } = this.#scope;
    return this.#core.read((driver) =>
      prefix === ''
        ? driver.all(`${SELECT_ALL} WHERE id > ? ORDER BY id LIMIT ?`, [after, count]).map(changeOf)
        : driver
            .all(`${SELECT_OWN} WHERE tenant=? AND sequence > ? ORDER BY sequence LIMIT ?`, [tenant, after, count])
            .map(changeOf),
    );
  }

  async head(): Promise<number> {
    const { tenant, prefix } = this.#scope;
    const [row] = this.#core.read((driver) =>
      prefix === ''
        ? driver.all("SELECT seq AS sequence FROM sqlite_sequence WHERE name='changes'")
        : driver.all('SELECT sequence FROM change_heads WHERE tenant=?', [tenant]),
    );
    return row === undefined ? 0 : numberOf(row, 'sequence');
  }

  watch(listener: (change: Change) => void): () => void {
    return this.#core.hub.watch(this.#scope.tenant, listener);
  }

  #address(topic: string): readonly [tenant: string, topic: string] {
    if (this.#scope.prefix !== '') return [this.#scope.tenant, topic];
    const split = topic.indexOf('#');
    if (split > 0 && split < topic.length - 1) return [topic.slice(0, split), topic.slice(split + 1)];
    throw new PlatformError('INVALID_ARGUMENTS', 'Across tenants a topic is written "<tenant>#<topic>".');
  }
}

const SELECT_OWN = 'SELECT sequence, topic, detail FROM changes';
const SELECT_ALL = "SELECT id AS sequence, tenant || '#' || topic AS topic, detail FROM changes";

interface NewChange {
  readonly tenant: string;
  readonly topic: string;
  readonly detail: JsonValue;
  readonly at: number;
}

function insert(driver: SqlDriver, { tenant, topic, detail, at }: NewChange): Published {
  const [head] = driver.all(
    'INSERT INTO change_heads VALUES (?, 1) ON CONFLICT (tenant) DO UPDATE SET sequence=sequence+1 RETURNING sequence',
    [tenant],
  );
  const sequence = head === undefined ? 0 : numberOf(head, 'sequence');
  const values = [tenant, sequence, topic, JSON.stringify(detail), at];
  const [row] = driver.all(
    'INSERT INTO changes (tenant, sequence, topic, detail, at) VALUES (?,?,?,?,?) RETURNING id',
    values,
  );
  const id = row === undefined ? 0 : numberOf(row, 'id');
  return { tenant, own: { sequence, topic, detail }, system: { sequence: id, topic: `${tenant}#${topic}`, detail } };
}

function changeOf(row: SqlRow): Change {
  return {
    sequence: numberOf(row, 'sequence'),
    topic: textOf(row, 'topic'),
    detail: JSON.parse(textOf(row, 'detail')) as JsonValue,
  };
}
