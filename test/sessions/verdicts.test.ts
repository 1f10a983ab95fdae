import t, { type Test } from 'tap';
import { openDatabase } from '../../src/catalog/schema.js';
import type { PairId } from '../../src/core/ids.js';
import { type Verdict, Verdicts } from '../../src/sessions/verdicts.js';
import { temporaryFolder } from '../helper.js';

const AT = { snapshot: 'snap', specDigest: 'spec', rank: 0, step: 3 };

function verdict(slot: number, changes: Partial<Verdict> = {}): Verdict {
  return {
    slot,
    pair: `A/${slot}` as PairId,
    code: 'VALUE_RANGE',
    file: 'a.dcm',
    detail: 'too large',
    ...changes,
  };
}

function open(t: Test, folder = temporaryFolder(t)): Verdicts {
  const db = openDatabase(folder);
  t.teardown(() => db.close());
  return new Verdicts(db);
}

t.test('what was said is told by slot, and only at its own address', async (t) => {
  const verdicts = open(t);
  t.strictSame(verdicts.said(AT), []);
  const both = [verdict(2, { file: null }), verdict(0, { detail: 'cut off', code: 'PIXELS_SHORT' })];
  verdicts.give(AT, both);
  t.strictSame(
    verdicts.said(AT).map((one) => ({ ...one })),
    [both[1], both[0]],
  );
  for (const other of [{ step: 4 }, { rank: 1 }, { snapshot: 'other' }, { specDigest: 'other' }]) {
    t.strictSame(verdicts.said({ ...AT, ...other }), []);
    t.notOk(verdicts.wasGiven({ ...AT, ...other }));
  }
});

t.test('an answer without verdicts is remembered as well', async (t) => {
  const verdicts = open(t);
  t.notOk(verdicts.wasGiven(AT));
  verdicts.give(AT, []);
  t.ok(verdicts.wasGiven(AT));
  t.strictSame(verdicts.said(AT), []);
});

t.test('a pair that was sent is never masked in a later answer', async (t) => {
  const verdicts = open(t);
  verdicts.give(AT, [verdict(1)]);
  verdicts.give(AT, []);
  t.throws(() => verdicts.give(AT, [verdict(2)]), {
    code: 'SLF_PAIR_FAILED',
    subject: { pair: 'A/2', file: 'a.dcm' },
  });
  t.strictSame(
    verdicts.said(AT).map(({ slot }) => slot),
    [1],
    'and what was said before stays',
  );
  verdicts.give({ ...AT, step: 4 }, [verdict(2)]);
  t.equal(verdicts.said({ ...AT, step: 4 }).length, 1, 'the next step is another answer');
});

t.test('verdicts outlive the process', async (t) => {
  const folder = temporaryFolder(t);
  const db = openDatabase(folder);
  const first = new Verdicts(db);
  for (const step of [0, 1, 2, 7]) first.give({ ...AT, step }, step === 7 ? [verdict(0)] : []);
  db.close();
  const second = open(t, folder);
  t.strictSame(
    [0, 1, 2, 3, 6, 7, 8].filter((step) => second.wasGiven({ ...AT, step })),
    [0, 1, 2, 7],
  );
  t.strictSame({ ...second.said({ ...AT, step: 7 })[0] }, verdict(0));
  t.throws(() => second.give({ ...AT, step: 2 }, [verdict(0)]), { code: 'SLF_PAIR_FAILED' });
});
