import t from 'tap';
import { joinRanges, namesOf, selectionKey, selectPairs } from '../../src/catalog/selection.js';
import { findSlice } from '../../src/catalog/slices.js';
import { dicomFile } from '../loader/sources.js';
import { openCatalogue, scanInto, selecting, smallFolder, TRIANGLE, write } from './catalogue.js';

/** Slice 1 has i and o, 2 has nothing, 3 has i and x, 4 has o. */
async function fourSlices(t: Parameters<typeof smallFolder>[0]) {
  const root = smallFolder(t);
  const small = { rows: 2, columns: 3, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6), modality: 'CT' };
  write(root, 'dicoms/A/3.dcm', dicomFile({ ...small, rescaleSlope: 2, rescaleIntercept: -1024, seed: '3' }));
  write(root, 'dicoms/A/4.dcm', dicomFile({ ...small, rows: 3, columns: 2, seed: '4' }));
  for (const [structure, number] of [
    ['i', 3],
    ['x', 3],
    ['o', 4],
  ] as const)
    write(
      root,
      `contourfiles/OA/${structure}-contours/IM-0001-000${number}-${structure}contour-manual.txt`,
      TRIANGLE,
    );
  const db = openCatalogue(t);
  await scanInto(db, root);
  const { revision, header } = findSlice(db, 'A', '3')!;
  const pairs = (...args: Parameters<typeof selecting>) =>
    selectPairs(db, revision, selecting(...args)).pairs;
  return { db, revision, pairs, seriesUid: header.seriesUid };
}

t.test('a pair has every structure that is asked for', async (t) => {
  const { pairs } = await fourSlices(t);
  t.equal(pairs(['i']), 2);
  t.equal(pairs(['o']), 2);
  t.equal(pairs(['i', 'o']), 1);
  t.equal(pairs(['i', 'o', 'x']), 0);
  t.equal(pairs(['none']), 0);
});

t.test('without structures every slice is a pair', async (t) => {
  t.equal((await fourSlices(t)).pairs([]), 4);
});

t.test('a slice that lacks some may stay, one that lacks all may not', async (t) => {
  t.equal((await fourSlices(t)).pairs(['i', 'o'], { missing: 'empty' }), 3);
});

t.test('other names mean a structure where that is said', async (t) => {
  const { pairs } = await fourSlices(t);
  t.equal(pairs(['wall'], { rename: { wall: ['o', 'x'] } }), 3);
  t.equal(pairs(['i'], { rename: { i: ['o'] } }), 3);
  t.strictSame(namesOf('i', { i: ['LV', 'lv'] }), ['i', 'LV', 'lv']);
  t.strictSame(namesOf('constructor', {}), ['constructor']);
});

t.test('only slices of a modality or a series', async (t) => {
  const { pairs, seriesUid } = await fourSlices(t);
  t.equal(pairs([], { where: { modality: ['CT'] } }), 2);
  t.equal(pairs([], { where: { modality: ['OT', 'CT'] } }), 4);
  t.equal(pairs(['i'], { where: { modality: ['CT'] } }), 1);
  t.equal(pairs([], { where: { series: [seriesUid] } }), 1);
  t.equal(pairs([], { where: { modality: [] } }), 0);
});

t.test('what a session must know of its pairs comes from those alone', async (t) => {
  const { db, revision } = await fourSlices(t);
  const both = selectPairs(db, revision, selecting(['i'])).summary;
  t.strictSame(both.shapes, [{ rows: 2, columns: 3, slice: '1' }]);
  t.strictSame(both.channels, [1]);
  t.strictSame(both.stored, { min: 0, max: 65_535, whole: true });
  t.strictSame(both.rescaled, { min: -1024, max: 65_535, whole: true });
  const all = selectPairs(db, revision, selecting([])).summary;
  t.strictSame(all.shapes, [
    { rows: 2, columns: 3, slice: '1' },
    { rows: 3, columns: 2, slice: '4' },
  ]);
  t.match(selectPairs(db, revision, selecting(['none'])).summary, { shapes: [], stored: null });
});

t.test('a selection is worked out once and then kept', async (t) => {
  const { db, revision } = await fourSlices(t);
  const first = selectPairs(db, revision, selecting(['i', 'o']));
  db.prepare("UPDATE slice SET structures = '[]'").run();
  t.strictSame(selectPairs(db, revision, selecting(['i', 'o'])), first);
  t.strictSame(selectPairs(db, revision, selecting(['o', 'i'])), first, 'in any order of its names');
});

t.test('equal selections have one key, others another', async (t) => {
  const key = selectionKey;
  t.equal(key(selecting(['i', 'o'])), key(selecting(['o', 'i'])));
  t.equal(
    key(selecting(['a'], { rename: { a: ['x', 'y'], b: ['z'] } })),
    key(selecting(['a'], { rename: { b: ['z'], a: ['y', 'x'] } })),
  );
  t.equal(
    key(selecting([], { where: { series: ['2', '1'] } })),
    key(selecting([], { where: { series: ['1', '2'] } })),
  );
  const others = [
    selecting([]),
    selecting(['i']),
    selecting(['i', 'o']),
    selecting(['i'], { missing: 'empty' }),
    selecting(['i'], { rename: { i: ['o'] } }),
    selecting(['i'], { where: { modality: ['o'] } }),
    selecting(['i'], { where: { series: ['o'] } }),
    selecting(['i'], { where: { series: [] } }),
  ];
  t.equal(new Set(others.map(key)).size, others.length);
});

t.test('a range that holds both', async (t) => {
  const range = (min: number, max: number, whole = true) => ({ min, max, whole });
  t.strictSame(joinRanges(range(0, 5), range(-3, 2)), range(-3, 5));
  t.strictSame(joinRanges(range(0, 5), range(1, 2, false)), range(0, 5, false));
  t.strictSame(joinRanges(null, range(1, 2)), range(1, 2));
  t.strictSame(joinRanges(range(1, 2), null), range(1, 2));
  t.equal(joinRanges(null, null), null);
});
