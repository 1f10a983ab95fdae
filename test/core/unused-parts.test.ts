import t from 'tap';
import { UnusedParts } from '../../src/core/unused-parts.js';

const part = (place: number, structure: string, isBeside: boolean) => ({
  place,
  structure,
  isBeside,
  code: 'CONTOUR_WITHOUT_PLACE' as const,
});

t.test(
  'UnusedParts keeps one entry for each image and structure, preferably one that is not beside',
  async (t) => {
    const parts = new UnusedParts();
    for (const each of [part(1, 'A', true), part(1, 'A', false), part(1, 'A', true), part(1, 'B', true)])
      parts.add(each);
    t.strictSame(parts.list, [part(1, 'A', false), part(1, 'B', true)]);
    t.equal(parts.isWhole, true);
  },
);

t.test('UnusedParts keeps a limited number of parts and tells that there were more', async (t) => {
  const parts = new UnusedParts(2);
  for (const place of [1, 2, 1, 2]) parts.add(part(place, 'A', false));
  t.equal(parts.isWhole, true);
  parts.add(part(3, 'A', false));
  t.equal(parts.isWhole, false);
  t.equal(parts.list.length, 2);
});
