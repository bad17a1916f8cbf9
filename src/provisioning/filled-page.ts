/** Pages of lists that are filtered: read on until a page is full, with an end to the work of one request. */

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Absent at the end of the list. */
  readonly cursor?: string | undefined;
}

type Read<Item> = (limit: number, cursor: string | undefined) => Promise<Page<Item>>;

interface Wish<Item> {
  /** Of items that fit, at most. */
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Absent for all. */
  readonly fits?: ((item: Item) => boolean) | undefined;
}

/** What is read at once while few of it fit. */
const ROWS = 500;
const MAX_ROUNDS = 20;

/**
 * Reads on until `limit` items fit, the list ends, or 20 rounds of at most 500 rows were read: then the page is shorter
 * and its cursor leads on.
 */
export async function filledPage<Item>(read: Read<Item>, { limit, cursor, fits }: Wish<Item>): Promise<Page<Item>> {
  if (fits === undefined) return read(limit, cursor);
  const items: Item[] = [];
  let next = cursor;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const page = await fitting(read, { limit: limit - items.length, cursor: next, fits, rows: Math.max(limit, ROWS) });
    items.push(...page.items);
    next = page.cursor;
    if (next === undefined || items.length >= limit) break;
  }
  return { items, cursor: next };
}

/** A cursor stands behind the last row that was read, so where too many fit fewer rows are read again. */
async function fitting<Item>(
  read: Read<Item>,
  wish: Wish<Item> & { readonly rows: number; readonly fits: (item: Item) => boolean },
): Promise<Page<Item>> {
  const { limit, cursor, fits, rows } = wish;
  const page = await read(rows, cursor);
  const places = page.items.flatMap((item, place) => (fits(item) ? [place] : []));
  if (places.length <= limit) return { items: page.items.filter(fits), cursor: page.cursor };
  return fitting(read, { ...wish, rows: (places[limit - 1] ?? 0) + 1 });
}
