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

t.test('a single frame has all fragments', async (t) => {
  t.strictSame(groupFragments(fragments(4, 6), 1, [], never), [[108, 4, 120, 6]]);
});

t.test('one fragment a frame needs no table, and a wrong one does no harm', async (t) => {
  t.strictSame(groupFragments(fragments(4, 6), 2, [], never), [
    [108, 4],
    [120, 6],
  ]);
  t.strictSame(groupFragments(fragments(4, 6), 2, [0, 999], never), [
    [108, 4],
    [120, 6],
  ]);
});

t.test('the offset table tells which fragments belong together', async (t) => {
  // The items start at 100, 112 and 126.
  t.strictSame(groupFragments(fragments(4, 6, 2), 2, [0, 26], never), [
    [108, 4, 120, 6],
    [134, 2],
  ]);
});

t.test('without a table that fits, the content tells', async (t) => {
  const begins = ({ length }: { length: number }) => length === 4;
  for (const table of [[], [0, 13]])
    t.strictSame(groupFragments(fragments(4, 6, 4, 2), 2, table, begins), [
      [108, 4, 120, 6],
      [134, 4, 146, 2],
    ]);
});

t.test('what cannot be told apart is null', async (t) => {
  t.equal(groupFragments(fragments(4, 6, 2), 2, [], never), null);
  t.equal(
    groupFragments(fragments(4, 6, 2), 2, [], () => true),
    null,
  );
  t.equal(groupFragments(fragments(4), 2, [], never), null);
  t.equal(groupFragments([], 1, [], never), null);
});
