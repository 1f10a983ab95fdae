import t from 'tap';
import { madeAt, newestOf } from '../../src/core/dicom-made.js';
import { chooseSource, type SourceChoice, sourceChoice } from '../../src/core/source-choice.js';

t.test('madeAt reads the most telling date of an object', async (t) => {
  const of = (elements: Record<number, string>) => madeAt((tag) => elements[tag] ?? null);
  t.equal(of({}), null);
  t.equal(of({ 805699592: '20200102', 805699593: '0304' }), '20200102030400.000000');
  t.equal(of({ 805699592: '2020.01.02', 805699593: '03:04:05.5' }), '20200102030405.500000');
  t.equal(of({ 524323: '20200102', 524339: 'noon' }), '20200102');
  t.equal(of({ 805699592: '2020', 524306: '20210101' }), '20210101', 'one that is none is passed over');
  t.equal(of({ 524306: '20210101', 524323: '20200102' }), '20200102');
});

t.test('newestOf returns the newest object only if it is certain', async (t) => {
  t.equal(newestOf(['20200101', '20200103', '20200102']), 1);
  t.equal(newestOf(['20200101235959.000000', '20200102']), 1);
  t.equal(newestOf(['20200102100000.000000', '20200102100000.000001']), 1);
  t.equal(newestOf(['20200102', '20200102100000.000001']), null, 'one says no time of that day');
  t.equal(newestOf(['20200102', '20200102']), null);
  t.equal(newestOf(['20200102', null]), null);
  t.equal(newestOf([]), null);
});

t.test('a choice leaves one source, or none', async (t) => {
  const sources = [
    { kind: 'text', file: 'c', series: null, made: null, copies: [] },
    { kind: 'rtstruct', file: 'a/1.dcm', series: '1.1', made: '20200101', copies: [] },
    { kind: 'rtstruct', file: 'a/2.dcm', series: '1.2', made: '20210101', copies: [] },
    { kind: 'rtstruct', file: 'other.dcm', series: '1.3', made: '20220101', copies: [['B', 1]] },
  ] as const;
  const contest = { structure: 'A', sources: [0, 1, 2] };
  const choose = (choice: SourceChoice) => chooseSource(sources, contest, choice);
  t.equal(choose({ file: ['x', 'a/1.dcm'] }), 1);
  t.equal(choose({ series: ['1.2'] }), 2);
  t.equal(choose({ kind: ['text'] }), 0);
  t.equal(choose({ kind: ['rtstruct'] }), null);
  t.equal(choose({ kind: ['rtstruct'], latest: true }), 2);
  t.equal(choose({ latest: true }), null, 'text contours have no date');
  t.equal(choose({ kind: ['rtstruct'], series: ['1.1'] }), 1);
  t.equal(choose({ kind: ['seg'] }), null);
  t.equal(choose({ file: ['other.dcm'] }), null, 'it has the name in no contest');
  t.equal(choose({}), null);
});

t.test('a copy stands for its original, which counts as made when the later of both was', async (t) => {
  const sources = [
    { kind: 'rtstruct', file: '1.dcm', series: '1.1', made: '20200101', copies: [] },
    { kind: 'rtstruct', file: '2.dcm', series: '1.2', made: '20210101', copies: [] },
    { kind: 'rtstruct', file: '2-copy.dcm', series: '1.2', made: '20210101', copies: [['A', 1]] },
    { kind: 'seg', file: '1-again.dcm', series: '1.4', made: '20220101', copies: [['A', 0]] },
  ] as const;
  const choose = (choice: SourceChoice) => chooseSource(sources, { structure: 'A', sources: [0, 1] }, choice);
  t.equal(choose({ file: ['2-copy.dcm'] }), 1);
  t.equal(choose({ file: ['2-copy.dcm', '2.dcm'] }), 1);
  t.equal(choose({ kind: ['rtstruct'], latest: true }), 1);
  t.equal(choose({ kind: ['seg'] }), 0);
  t.equal(choose({ latest: true }), 0);
  t.equal(choose({ file: ['1.dcm', '2-copy.dcm'] }), null);
});

t.test('a request gives the same choice of sources whatever its order', async (t) => {
  t.equal(sourceChoice({}), null);
  t.equal(sourceChoice({ latest: false, join: false }), null);
  t.strictSame(sourceChoice({ kind: ['seg', 'rtstruct', 'seg'], file: ['b', 'a'], latest: true }), {
    file: ['a', 'b'],
    kind: ['rtstruct', 'seg'],
    latest: true,
  });
});
