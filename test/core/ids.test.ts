import t from 'tap';
import { isId, pairId, type SliceId, type StudyId, studyIdOf } from '../../src/core/ids.js';

t.test('what may stand as an id', async (t) => {
  for (const text of ['a', 'SCD0000101', '48.f3', '1.2.840.10008', '-', '_', '...', 'x'.repeat(64)])
    t.equal(isId(text), true, text);
  for (const text of ['', '.', '..', 'x'.repeat(65), 'a b', 'a/b', 'a\\b', 'ä', 'a\n', 'a%2f', '\u0000'])
    t.equal(isId(text), false, JSON.stringify(text));
});

t.test('a pair is its study and its slice', async (t) => {
  t.equal(pairId('SCD0000101' as StudyId, '48' as SliceId), 'SCD0000101/48');
});

t.test('a text is a study’s id where it can be one, else its hash is', async (t) => {
  const hash = (text: string) => Buffer.from(text).toString('hex').padStart(16, '0');
  for (const text of ['SCD0000101', '1.2.840.10008', 'x'.repeat(64)]) t.equal(studyIdOf(text, hash), text);
  t.equal(studyIdOf('a b', hash), 'study-0000000000612062');
  t.equal(studyIdOf('..', hash), 'study-0000000000002e2e');
});
