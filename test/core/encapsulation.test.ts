import t from 'tap';
import { groupFragments } from '../../src/core/encapsulation.js';

const fragments = (...lengths: number[]) => {
  let offset = 100;
  return lengths.map((length) => {
    offset += 8;
    const fragment = { offset, length };
    offset += length;
    return fragment;
  });
};
const never = () => false;

/** The places of frames that all fragments belong to. */
const all = (...frames: number[][]) => ({ frames, isMore: false });

t.test('a single frame has all fragments', async (t) => {
  t.strictSame(groupFragments(fragments(4, 6), 1, [], never), all([108, 4, 120, 6]));
});

t.test('one fragment a frame needs no table, and a wrong one does no harm', async (t) => {
  t.strictSame(groupFragments(fragments(4, 6), 2, [], never), all([108, 4], [120, 6]));
  t.strictSame(groupFragments(fragments(4, 6), 2, [0, 999], never), all([108, 4], [120, 6]));
});

t.test('an empty fragment belongs to no frame', async (t) => {
  t.strictSame(groupFragments(fragments(0, 4, 0, 6), 2, [], never), all([116, 4], [136, 6]));
});

t.test('the offset table tells which fragments belong together', async (t) => {
  // The items start at 100, 112 and 126.
  t.strictSame(groupFragments(fragments(4, 6, 2), 2, [0, 26], never), all([108, 4, 120, 6], [134, 2]));
});

t.test('without a table that fits, the content tells', async (t) => {
  const begins = ({ length }: { length: number }) => length === 4;
  for (const table of [[], [0, 13], [0, 12, 26]])
    t.strictSame(
      groupFragments(fragments(4, 6, 4, 2), 2, table, begins),
      all([108, 4, 120, 6], [134, 4, 146, 2]),
    );
});

t.test('of more frames than asked for the first are taken', async (t) => {
  t.strictSame(
    groupFragments(fragments(4, 6, 2), 2, [], () => true),
    {
      frames: [
        [108, 4],
        [120, 6],
      ],
      isMore: true,
    },
  );
  t.strictSame(groupFragments(fragments(4, 6, 2, 8), 2, [0, 26, 36], never), {
    frames: [
      [108, 4, 120, 6],
      [134, 2],
    ],
    isMore: true,
  });
});

t.test('what cannot be told apart is null', async (t) => {
  t.equal(groupFragments(fragments(4, 6, 2), 2, [], never), null);
  t.equal(groupFragments(fragments(4), 2, [], never), null);
  t.equal(groupFragments(fragments(4, 0), 2, [], never), null);
  t.equal(groupFragments([], 1, [], never), null);
});
