import t from 'tap';
import type { PairId } from '../../src/core/ids.js';
import { missingStructures } from '../../src/sessions/missing-structures.js';

t.test('past a thousand the empty masks of a batch are counted', async (t) => {
  const pairs = Array.from({ length: 401 }, (_, n) => ({
    id: `S/${n}` as PairId,
    file: null,
    carried: n === 0 ? ['a', 'b', 'c'] : ['d'],
  }));
  const problems = missingStructures(pairs, ['a', 'b', 'c']);
  t.equal(problems.length, 1001);
  t.strictSame(problems[0], {
    code: 'STRUCTURE_MISSING',
    pair: 'S/1',
    file: null,
    detail: 'it has no contour of a; its mask is empty',
  });
  t.match(problems[1000], { pair: null, detail: /^200 more masks of this batch are empty/ });
  t.strictSame(
    missingStructures(pairs, ['x'], () => ['a', 'd']),
    [],
    'any of its names will do',
  );
});
