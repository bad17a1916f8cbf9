import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { IdMap } from './id-map.ts';

test('an id map holds what a Map holds, whatever is added and taken', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(20)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (list) => {
      const real = new IdMap<string>();
      const model = new Map<number, string>();
      for (const [add, id] of list) {
        if (!add) {
          expect(real.take(id)).toBe(model.get(id));
          model.delete(id);
        } else if (!model.has(id)) {
          real.add(id, `v${id}`);
          model.set(id, `v${id}`);
        }
        expect(real.size).toBe(model.size);
        expect(real.get(id)).toBe(model.get(id));
      }
      expect(new Set(real.ids())).toEqual(new Set(model.keys()));
      expect(new Set(real.values())).toEqual(new Set(model.values()));
    }),
  );
});
