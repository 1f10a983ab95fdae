import t from 'tap';
import { parseContainments, parseFindingLimits } from '../../src/core/finding-codes.js';

t.test('thresholds that are named change, the others are those it ships with', async (t) => {
  const limits = parseFindingLimits(' TINY = 20, CENTRE_JUMP=off,');
  t.match(limits, { TINY: 20, CENTRE_JUMP: null, AREA_JUMP: 1.6 });
  t.throws(() => parseFindingLimits('TINI=20'), /"TINI" that is not one of OUTSIDE_IMAGE, /);
  for (const text of ['TINY', 'TINY=', 'TINY=x', 'TINY=-1', 'TINY=1=2', 'TINY=Infinity'])
    t.throws(() => parseFindingLimits(text), /takes CODE=NUMBER or CODE=off/, text);
});

t.test('containments are pairs of names', async (t) => {
  t.strictSame(parseContainments('i:o, left lung : body'), [
    { inner: 'i', outer: 'o' },
    { inner: 'left lung', outer: 'body' },
  ]);
  t.strictSame(parseContainments(''), []);
  for (const text of ['i', 'i:', ':o', 'i:i', 'a:b:c'])
    t.throws(() => parseContainments(text), /INNER:OUTER/, text);
});
