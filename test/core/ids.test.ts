import t from 'tap';
import { isId, pairId, type SliceId, type StudyId } from '../../src/core/ids.js';

t.test('what may stand as an id', async (t) => {
  for (const text of ['a', 'SCD0000101', '48.f3', '1.2.840.10008', '-', '_', '...', 'x'.repeat(64)])
    t.equal(isId(text), true, text);
  for (const text of ['', '.', '..', 'x'.repeat(65), 'a b', 'a/b', 'a\\b', 'ä', 'a\n', 'a%2f', '\u0000'])
    t.equal(isId(text), false, JSON.stringify(text));
});

t.test('a pair is its study and its slice', async (t) => {
  t.equal(pairId('SCD0000101' as StudyId, '48' as SliceId), 'SCD0000101/48');
});
