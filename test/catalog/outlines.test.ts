import t, { type Test } from 'tap';
import { listSources } from '../../src/catalog/contour-sources.js';
import { Outlines } from '../../src/catalog/outlines.js';
import { SCAN_DEFAULTS, type ScanOptions, scanFolder } from '../../src/catalog/scan.js';
import type { PlaceFile } from '../../src/catalog/scan-loaders.js';
import { findStudy, listProblems } from '../../src/catalog/studies.js';
import { drawnStructureSet } from '../../src/core/drawn-object.js';
import { foundContour } from '../../src/core/found-contours.js';
import type { SliceId } from '../../src/core/ids.js';
import { unpackImages } from '../../src/core/packed-images.js';
import type { StructureSet } from '../../src/core/structure-set.js';
import { placeDrawn } from '../../src/loader/place.js';
import { sha256 } from '../../src/sha256.js';
import { segmentationFile } from '../fixtures/segmentation-file.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { temporaryFolder } from '../helper.js';
import { LIMITS, memoryLog } from '../loader/scripted.js';
import { dicomFile } from '../loader/sources.js';
import { loadersHere, openCatalogue, write } from './catalogue.js';

const SPACE = { tag: '00200052', vr: 'UI', value: '1.4' };
const image = dicomFile({
  rows: 2,
  columns: 3,
  pixels: new Uint16Array(6),
  sopInstanceUid: '1.1',
  studyUid: '1.2',
  seriesUid: '1.3',
  position: [0, 0, 5],
  orientation: [1, 0, 0, 0, 1, 0],
  spacingMm: [1, 1],
  extra: [SPACE],
});

function triangle(z: number, number = 1): StructureSet {
  return {
    sopInstanceUid: `1.9.${number}`,
    studyUid: '1.2',
    seriesUid: '1.8',
    made: null,
    patient: null,
    lost: [],
    images: [],
    series: [],
    points: Float64Array.of(0, 0, z, 2, 0, z, 0, 2, z),
    problems: [],
    rois: [
      {
        item: 1,
        structure: 'A',
        frameOfReferenceUid: '1.4',
        contours: [{ type: 'closed', item: 1, first: 0, count: 3, references: [] }],
      },
    ],
  };
}

t.test('settings that decide what is drawn are looked at again by the next scan', async (t) => {
  const root = temporaryFolder(t);
  write(root, 'image.dcm', image);
  write(
    root,
    'seg.dcm',
    segmentationFile({
      type: 'FRACTIONAL',
      rows: 2,
      columns: 3,
      whole: 100,
      studyUid: '1.2',
      segments: [{ label: 'A' }],
      frames: [{ values: [0, 60, 0, 0, 60, 0], sources: ['1.1'] }],
    }),
  );
  write(
    root,
    'rt.dcm',
    structureSetFile({
      studyUid: '1.2',
      frameOfReference: '1.4',
      rois: [{ name: 'B', contours: [{ points: [0, 0, 5.2, 1, 0, 5.2, 0, 1, 5.2] }] }],
    }),
  );
  const db = openCatalogue(t);
  const scanned = async (changes: Partial<ScanOptions>) => {
    const options = { ...SCAN_DEFAULTS, ...changes };
    const read: string[] = [];
    const loaders = loadersHere({ ...LIMITS, ...options });
    await scanFolder(
      db,
      root,
      {
        ...loaders,
        async scan(folder, units) {
          for (const { path } of units) read.push(path);
          return await loaders.scan(folder, units);
        },
      },
      { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 },
      memoryLog().log,
      options,
    );
    return [read.sort(), findStudy(db, '1.2')?.structures];
  };
  t.strictSame(await scanned({}), [['image.dcm', 'rt.dcm', 'seg.dcm'], { A: 1 }]);
  t.strictSame(await scanned({}), [[], { A: 1 }]);
  t.strictSame(await scanned({ segmentFraction: 0.7 }), [['seg.dcm'], {}]);
  t.strictSame(await scanned({ segmentFraction: 0.7, planeToleranceMm: 0.3 }), [[], { B: 1 }]);
  t.match(listProblems(db, '1.2'), [
    { code: 'SEGMENT_BELOW_THRESHOLD', file: 'seg.dcm' },
    { code: 'NO_CONTOURS', file: 'seg.dcm', detail: /^no pixel of its frames reaches the threshold/ },
  ]);
  t.match(listSources(db, '1.2'), [
    { kind: 'rtstruct', structures: ['B'], parts: 1 },
    { kind: 'seg', structures: [], parts: 0 },
  ]);
});

/** Places structure sets by their paths, in this process. */
function placing(sets: Readonly<Record<string, StructureSet>>): PlaceFile {
  return async (path, _, wanted, images) => {
    if (wanted.kind !== 'contours') throw new Error('the study is known');
    return placeDrawn(
      { type: 'rtstruct', content: sets[path]! },
      unpackImages(images),
      0.1,
      wanted.limitBytes,
    );
  };
}

const objectsOf = (sets: Readonly<Record<string, StructureSet>>) =>
  Object.entries(sets).map(([path, set]) => ({ path, drawn: drawnStructureSet(set) }));

/** Scans a folder of these files with this process as its loader. */
async function scanOf(t: Test, files: Readonly<Record<string, Uint8Array>>) {
  const root = temporaryFolder(t);
  for (const [name, bytes] of Object.entries(files)) write(root, name, bytes);
  const db = openCatalogue(t);
  await scanFolder(
    db,
    root,
    loadersHere(),
    { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 },
    memoryLog().log,
  );
  return {
    sources: (study: string) =>
      listSources(db, study).map(({ file, structures }) => [file, structures.join()]),
    problems: (study: string) => listProblems(db, study).map(({ code, file }) => `${code} ${file}`),
  };
}

/** One image of a study of its own, at a height in a space. */
const imageAt = (name: string, height: number, space = '1.4') =>
  dicomFile({
    rows: 2,
    columns: 3,
    pixels: new Uint16Array(6),
    sopInstanceUid: `1.1.${name}`,
    studyUid: `1.2.${name}`,
    seriesUid: `1.3.${name}`,
    position: [0, 0, height],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [1, 1],
    extra: [{ ...SPACE, value: space }],
  });
const drawn = (z: number, images: readonly string[] = []) => ({
  points: [0, 0, z, 2, 0, z, 0, 2, z],
  images,
});
const ofNoStudy = { studyUid: '1.77', frameOfReference: '1.4' };

t.test(
  'objects of a study of their own go to the images that they name, or in whose planes they lie',
  async (t) => {
    const { sources, problems } = await scanOf(t, {
      '5.dcm': imageAt('5', 5),
      '6.dcm': imageAt('6', 6),
      '7.dcm': imageAt('7', 7, '1.5'),
      'named.dcm': structureSetFile({
        ...ofNoStudy,
        series: ['1.3.8'],
        rois: [{ name: 'N', contours: [drawn(6, ['1.1.6']), drawn(6, ['1.1.99'])] }],
      }),
      // The study that it says is there, the images that it names are of another.
      'otherwise.dcm': structureSetFile({
        studyUid: '1.2.7',
        sopInstanceUid: '1.9.2',
        frameOfReference: '1.4',
        rois: [{ name: 'O', contours: [drawn(6, ['1.1.6'])] }],
      }),
      'plane.dcm': structureSetFile({
        ...ofNoStudy,
        sopInstanceUid: '1.9.3',
        rois: [{ name: 'P', contours: [drawn(50), drawn(5.05)] }],
      }),
      'segment.dcm': segmentationFile({
        type: 'LABELMAP',
        rows: 2,
        columns: 3,
        ...ofNoStudy,
        orientation: [1, 0, 0, 0, 1, 0],
        spacingMm: [1, 1],
        segments: [{ label: 'S' }],
        frames: [{ values: [0, 1, 0, 0, 1, 0], position: [0, 0, 5] }],
      }),
    });
    t.strictSame(sources('1.2.6'), [
      ['otherwise.dcm', 'O'],
      ['named.dcm', 'N'],
    ]);
    t.strictSame(sources('1.2.5'), [
      ['plane.dcm', 'P'],
      ['segment.dcm', 'S'],
    ]);
    t.strictSame(sources('1.2.7'), []);
    t.strictSame(problems(''), []);
  },
);

t.test(
  'an object that fits several studies alike is left out by name, as is one that fits none',
  async (t) => {
    const { sources, problems } = await scanOf(t, {
      '5.dcm': imageAt('5', 5),
      '6.dcm': imageAt('6', 5),
      'both.dcm': structureSetFile({ ...ofNoStudy, rois: [{ name: 'B', contours: [drawn(5)] }] }),
      'named.dcm': structureSetFile({
        ...ofNoStudy,
        sopInstanceUid: '1.9.2',
        rois: [{ name: 'N', contours: [drawn(5, ['1.1.5']), drawn(5, ['1.1.6'])] }],
      }),
      'none.dcm': structureSetFile({
        studyUid: '1.77',
        sopInstanceUid: '1.9.3',
        frameOfReference: '1.8',
        rois: [{ name: 'X', contours: [drawn(5)] }],
      }),
    });
    t.strictSame([...sources('1.2.5'), ...sources('1.2.6')], []);
    t.strictSame(problems('').sort(), [
      'CONTOUR_AMBIGUOUS both.dcm',
      'CONTOUR_AMBIGUOUS named.dcm',
      'CONTOUR_WITHOUT_IMAGE none.dcm',
    ]);
  },
);

t.test(
  'of one name on one slice both sources keep theirs, told apart; what is the same is there once',
  async (t) => {
    const problems: string[] = [];
    const slice = {
      slice: 's' as SliceId,
      sopInstanceUid: '1.1',
      frame: 0,
      seriesUid: '1.3',
      frameOfReferenceUid: '1.4',
      plane: { position: [0, 0, 5], orientation: [1, 0, 0, 0, 1, 0], spacingMm: [1, 1] },
      rows: 4,
      columns: 4,
    } as const;
    const report = (code: string, file: string, detail: string) => problems.push(`${code} ${file} ${detail}`);
    const larger = { ...triangle(5, 3), points: Float64Array.of(0, 0, 5, 3, 0, 5, 0, 3, 5) };
    const sets = { 'copy.dcm': triangle(5, 2), 'first.dcm': triangle(5, 1), 'other.dcm': larger };
    const drawnOf = (outlines: Outlines) =>
      outlines.drawn.get(slice.slice)?.map(({ kind, roi, source }) => [source, kind, roi]);
    const copied = 'CONTOUR_TWICE copy.dcm 1 structure(s) are the same in first.dcm, which is used';
    const rival = (file: string, first: string) =>
      `CONTOUR_TWICE ${file} 1 structure(s) are also in ${first}, on images of one series: ` +
      'a session chooses with `sources`, all other requests use that file';
    const outlines = new Outlines([slice], placing(sets), report);
    await outlines.addObjects(objectsOf(sets));
    await outlines.settle();
    t.strictSame(problems, [copied, rival('other.dcm', 'first.dcm')]);
    t.strictSame(drawnOf(outlines), [
      [0, 'closed', 1],
      [2, 'closed', 1 + 2 * 2 ** 22],
    ]);
    t.match(await outlines.sources(), [
      { file: 'first.dcm', series: '1.8', parts: 1 },
      { file: 'copy.dcm', structures: [], parts: 0 },
      { file: 'other.dcm', structures: ['A'], parts: 1 },
    ]);
    problems.length = 0;
    const withText = new Outlines([slice], placing(sets), report);
    const part = { kind: 'text', points: Float64Array.of(0, 0) } as const;
    const text = { file: 'a/b/1.txt', contour: foundContour('A', part, sha256) };
    withText.addTexts(new Map([[slice.slice, [text, { ...text, file: 'a/c/1.txt' }]]]));
    await withText.addObjects(objectsOf(sets));
    await withText.settle();
    t.strictSame(problems, [copied, rival('first.dcm', 'a'), rival('other.dcm', 'a')]);
    t.strictSame(
      drawnOf(withText)?.map(([source, kind]) => `${source} ${kind}`),
      ['0 text', '0 text', '1 closed', '3 closed'],
    );
    t.match(await withText.sources(), [
      { kind: 'text', file: 'a', series: null, structures: ['A'], parts: 2 },
      {},
      {},
      {},
    ]);
  },
);

t.test('coordinates beyond all bounds are left out', async (t) => {
  const problems: string[] = [];
  const content = { ...triangle(5), points: Float64Array.of(1e308, 0, 5, -1e308, 0, 5, 0, 1e308, 5) };
  const plane = { position: [0, 0, 5], orientation: [1, 0, 0, 0, 1, 0], spacingMm: [0.01, 0.01] } as const;
  const slice = {
    slice: 's' as SliceId,
    sopInstanceUid: '1.1',
    frame: 0,
    seriesUid: '1.3',
    frameOfReferenceUid: '1.4',
    plane,
    rows: 4,
    columns: 4,
  };
  const outlines = new Outlines([slice], placing({ 'a.dcm': content }), (code) => problems.push(code));
  await outlines.addObjects(objectsOf({ 'a.dcm': content }));
  t.strictSame(problems, ['NO_CONTOURS', 'CONTOUR_NOT_A_NUMBER']);
});
