import t from 'tap';
import { Quarantine, type Quarantined } from '../../src/catalog/quarantine.js';
import type { PairId } from '../../src/core/ids.js';
import { openCatalogue } from './catalogue.js';

function entry(pair: string, changes: Partial<Quarantined> = {}): Quarantined {
  return {
    pair: pair as PairId,
    headerDigest: 'h1',
    file: `dicoms/${pair}.dcm`,
    code: 'LOADER_ENDED',
    detail: 'it twice ended its loader, alone',
    since: 1,
    ...changes,
  };
}

t.test('a pair is held under its header, also by the next process', async (t) => {
  const db = openCatalogue(t);
  const one = entry('A/1');
  new Quarantine(db).add(one);
  const quarantine = new Quarantine(db);
  t.strictSame(quarantine.find(one.pair, 'h1'), one);
  t.equal(quarantine.find(one.pair, 'h2'), null, 'another file is another chance');
  t.equal(quarantine.find('A/2' as PairId, 'h1'), null);
});

t.test('the first finding stays', async (t) => {
  const quarantine = new Quarantine(openCatalogue(t));
  quarantine.add(entry('A/1'));
  quarantine.add(entry('A/1', { since: 2 }));
  t.equal(quarantine.find('A/1' as PairId, 'h1')?.since, 1);
});

t.test('they are listed in order', async (t) => {
  const quarantine = new Quarantine(openCatalogue(t));
  for (const pair of ['B/1', 'A/2', 'A/1']) quarantine.add(entry(pair));
  t.strictSame(
    quarantine.list().map(({ pair }) => pair),
    ['A/1', 'A/2', 'B/1'],
  );
});

t.test('a pardon is for the pair, whatever its header, and lasts', async (t) => {
  const db = openCatalogue(t);
  const quarantine = new Quarantine(db);
  for (const each of [entry('A/1'), entry('A/1', { headerDigest: 'h2' }), entry('A/2')]) quarantine.add(each);
  t.equal(quarantine.pardon('A/1' as PairId), true);
  t.equal(quarantine.pardon('A/1' as PairId), false);
  t.equal(quarantine.find('A/1' as PairId, 'h2'), null);
  t.strictSame(
    new Quarantine(db).list().map(({ pair }) => pair),
    ['A/2'],
  );
});
