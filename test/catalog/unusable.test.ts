import t, { type Test } from 'tap';
import { listSlices } from '../../src/catalog/slices.js';
import { findStudy, listProblems, presentStudies } from '../../src/catalog/studies.js';
import { seededUid } from '../../src/demo/part10.js';
import { chooseSnapshot } from '../../src/sessions/choose.js';
import type { SpecRequest } from '../../src/sessions/request.js';
import { segmentationFile } from '../fixtures/segmentation-file.js';
import { type ContourOptions, type RoiOptions, structureSetFile } from '../fixtures/structure-set-file.js';
import { contourPath, imageFile, imagePath, linkTable } from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';
import { digests, openCatalogue, scanInto, write } from './catalogue.js';

const STUDY = '1.2.3';
const SPACE = '1.2.4';
const SERIES = '1.2.5';
const HEIGHTS = [0, 3, 6, 9] as const;
const uid = (height: number, phase = 0) => seededUid(`image ${height} ${phase}`);

function image(height: number, phase = 0): Uint8Array {
  return imageFile(height, {
    rows: 8,
    columns: 10,
    studyUid: STUDY,
    seriesUid: SERIES,
    instanceNumber: height + 1 + 100 * phase,
    sopInstanceUid: uid(height, phase),
    position: [0, 0, height],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [1, 1],
    extra: [{ tag: '00200052', vr: 'UI', value: SPACE }],
  });
}

const square = (height: number) => [1, 1, height, 5, 1, height, 5, 5, height, 1, 5, height];
const named = (height: number): ContourOptions => ({ points: square(height), images: [uid(height)] });

function structureSet(rois: readonly RoiOptions[]): Uint8Array {
  return structureSetFile({ studyUid: STUDY, series: [SERIES], frameOfReference: SPACE, rois });
}

/** A is on every slice, B as the case has it. */
function roisWith(contours: readonly ContourOptions[]): RoiOptions[] {
  return [
    { name: 'A', contours: HEIGHTS.map(named) },
    { name: 'B', contours },
  ];
}

interface Found {
  /** For each slice, by its height, its structures, and after a bar those that cannot be used. */
  readonly slices: readonly string[];
  /** The pairs of a session for A and B with missing empty, and the slices that it leaves out. */
  readonly session: readonly [pairs: number, unusable: number | undefined];
  readonly told: readonly string[];
}

async function find(
  t: Test,
  files: Readonly<Record<string, string | Uint8Array>>,
  spec: SpecRequest = {},
): Promise<Found> {
  const root = temporaryFolder(t);
  for (const [path, content] of Object.entries(files)) write(root, path, content);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const [{ study }] = presentStudies(db) as unknown as [{ study: string }];
  const slices = listSlices(db, study, -1, 100, true);
  const snapshot = chooseSnapshot(db, { structures: ['A', 'B'], missing: 'empty', ...spec });
  return {
    slices: slices.map(({ structures, unusable }) => `${structures.join()}|${unusable.join()}`),
    session: [snapshot.pairs, snapshot.summary.unusable],
    told: listProblems(db, study)
      .filter(({ code }) => code === 'STRUCTURE_UNUSABLE')
      .map(({ detail }) => detail.split(/[;:] sessions/)[0]!)
      .sort(),
  };
}

const stack = Object.fromEntries(HEIGHTS.map((height) => [`${height}.dcm`, image(height)]));
const onStack = (t: Test, contours: readonly ContourOptions[]) =>
  find(t, { ...stack, 'rs.dcm': structureSet(roisWith(contours)) });

const told = (count: number) => [`B: on ${count} slice(s) it cannot be used in full`];
const coordinates = (height: string) => `1\\1\\${height}\\5\\1\\${height}\\5\\5\\${height}`;

t.test('a contour that cannot be read makes its structure unusable on its slice', async (t) => {
  const cases: Record<string, ContourOptions> = {
    'by name': { data: '1\\1\\3\\5\\x\\3\\5\\5\\3', images: [uid(3)] },
    'by name, no number at all': { data: 'x\\x\\x', images: [uid(3)] },
    'by its plane': { data: '1\\1\\3\\5\\x\\3\\5\\5\\3' },
    'a number too many': { data: `${coordinates('3')}\\1` },
    'beyond all bounds': { data: '1\\1\\3\\1e999\\1\\3\\5\\5\\3' },
    'another type': { points: square(3), type: 'CLOSED' },
    'an open one': { points: square(3), type: 'OPEN_PLANAR' },
    'two points': { points: square(3).slice(0, 6), images: [uid(3)] },
    'points on a line': { points: [1, 1, 3, 3, 3, 3, 5, 5, 3] },
    'one point five times': { points: [1, 1, 3, 1, 1, 3, 1, 1, 3, 1, 1, 3, 1, 1, 3] },
    'beside the image': { points: square(3).map((value, at) => (at % 3 === 0 ? value + 50 : value)) },
  };
  for (const [name, lost] of Object.entries(cases))
    t.strictSame(
      await onStack(t, [named(0), lost, named(6)]),
      { slices: ['A,B|', 'A|B', 'A,B|', 'A|'], session: [3, 1], told: told(1) },
      name,
    );
});

t.test(
  'an unreadable contour beside readable ones takes the structure from its slice: their mask would be too small',
  async (t) => {
    const bad = { data: '1\\1\\3\\5\\x\\3\\5\\5\\3' };
    const partly = { slices: ['A,B|', 'A|B', 'A|', 'A|'], session: [3, 1], told: told(1) };
    t.strictSame(await onStack(t, [named(0), named(3), bad]), partly);
    t.strictSame(await onStack(t, [named(0), bad, named(3)]), partly);
    t.strictSame(await onStack(t, [named(0), named(3), { ...bad, images: [uid(3)] }]), partly);
  },
);

t.test('a contour that encloses nothing leaves the other contours of its slice usable', async (t) => {
  const whole = { slices: ['A,B|', 'A,B|', 'A|', 'A|'], session: [4, 0], told: [] };
  for (const lost of [
    { points: square(3).slice(0, 3), type: 'POINT' },
    { points: square(3).slice(0, 6) },
    { points: square(3), type: 'OPEN_PLANAR' },
    { points: [] },
  ])
    t.match(await onStack(t, [named(0), named(3), lost]), { ...whole, session: [4] });
});

t.test('a contour without its points makes its structure unusable on the image that it names', async (t) => {
  const alone = { slices: ['A,B|', 'A|B', 'A|', 'A|'], session: [3, 1], told: told(1) };
  for (const said of [0, 4]) t.strictSame(await onStack(t, [named(0), { images: [uid(3)], said }]), alone);
  t.strictSame(await onStack(t, [named(0), named(3), { images: [uid(3)], said: 4 }]), alone);
  t.match(await onStack(t, [named(0), named(3), { images: [uid(3)], said: 0 }]), {
    slices: ['A,B|', 'A,B|', 'A|', 'A|'],
  });
});

t.test(
  'a contour that is left out makes its structure unusable on all slices that it may be on',
  async (t) => {
    const tilted = [1, 1, 6, 5, 1, 6, 5, 5, 0];
    t.strictSame(await onStack(t, [named(0), named(3), { points: tilted }, named(9)]), {
      slices: ['A|B', 'A|B', 'A|B', 'A,B|'],
      session: [1, 3],
      told: told(3),
    });
    const far = { points: square(20), images: [uid(3)] };
    t.strictSame(await onStack(t, [named(0), named(3), far]), {
      slices: ['A,B|', 'A|B', 'A|', 'A|'],
      session: [3, 1],
      told: told(1),
    });
    const elsewhere = { name: 'B', frameOfReference: '1.2.9', contours: [{ points: square(6) }] };
    t.strictSame(await find(t, { ...stack, 'rs.dcm': structureSet([...roisWith([named(0)]), elsewhere]) }), {
      slices: ['A,B|', 'A|', 'A|B', 'A|'],
      session: [3, 1],
      told: told(1),
    });
  },
);

t.test('an unreadable contour without a place may be on each slice that lacks its structure', async (t) => {
  t.strictSame(await onStack(t, [named(0), { data: 'x\\y\\z' }]), {
    slices: ['A,B|', 'A|B', 'A|B', 'A|B'],
    session: [1, 3],
    told: told(3),
  });
  t.match(await onStack(t, [named(0), {}]), { slices: ['A,B|', 'A|', 'A|', 'A|'] }, 'nothing is nowhere');
  for (const point of [{ points: square(3).slice(0, 3), type: 'POINT' }, { points: square(3).slice(0, 3) }])
    t.match(
      await onStack(t, [named(0), point]),
      { slices: ['A,B|', 'A|', 'A|', 'A|'], session: [4] },
      'a mark',
    );
});

t.test(
  'a contour between two slices, or in a plane that several images share, makes its structure unusable there',
  async (t) => {
    t.match(await onStack(t, [named(0), { points: square(4) }]), {
      slices: ['A,B|', 'A|B', 'A|', 'A|'],
      session: [3, 1],
    });
    t.match(
      await onStack(t, [named(0), named(3), { points: square(4) }]),
      { slices: ['A,B|', 'A,B|', 'A|', 'A|'], session: [4] },
      'it takes nothing from a slice in whose plane it does not lie',
    );
    const phases = [0, 1, 2];
    const found = await find(t, {
      ...Object.fromEntries(phases.map((phase) => [`p${phase}.dcm`, image(0, phase)])),
      '9.dcm': image(9),
      'rs.dcm': structureSet([
        { name: 'A', contours: phases.map((phase) => ({ points: square(0), images: [uid(0, phase)] })) },
        { name: 'B', contours: [{ points: square(0) }, named(9)] },
      ]),
    });
    t.strictSame(found, { slices: ['A|B', 'A|B', 'A|B', 'B|'], session: [1, 3], told: told(3) });
  },
);

t.test(
  'an ROI that shares its number makes the structures of that number unusable on its slices',
  async (t) => {
    const found = await find(t, {
      ...stack,
      'rs.dcm': structureSet([
        { name: 'A', number: 1, contours: HEIGHTS.map(named) },
        { name: 'B', number: 2, contours: [named(0)] },
        { name: 'C', number: 2, contours: null },
        { name: 'D', number: 4, contours: [named(9)] },
      ]),
      'rs2.dcm': structureSetFile({
        studyUid: STUDY,
        sopInstanceUid: '1.9.9',
        series: [SERIES],
        frameOfReference: SPACE,
        rois: [{ name: 'B', contours: [named(3)] }],
      }),
    });
    t.match(found, { slices: ['A|B,C', 'A,B|', 'A|', 'A,D|'], session: [3, 1] });
  },
);

t.test('a lost contour of one source takes nothing from another source that a session uses', async (t) => {
  const other = structureSetFile({
    studyUid: STUDY,
    sopInstanceUid: '1.9.9',
    series: [SERIES],
    frameOfReference: SPACE,
    rois: [{ name: 'B', contours: [named(3)] }],
  });
  const bad = { data: 'x\\y\\z', images: [uid(3)] };
  const files = { ...stack, 'rs.dcm': structureSet(roisWith([named(0), bad])), 'rs2.dcm': other };
  const from = (file: string) => find(t, files, { sources: { file: [file] } });
  t.match(await from('rs2.dcm'), { session: [4, 0], told: told(1) });
  t.match(await from('rs.dcm'), { session: [3, 1] });
});

t.test(
  'frames of a segmentation that cannot be placed, or have the number of several segments',
  async (t) => {
    const values = Array.from({ length: 80 }, (_, at) => (at % 10 < 4 ? 1 : 0));
    const place = (height: number) => ({ position: [0, 0, height], sources: [uid(height)] });
    const segmentation = (options: Partial<Parameters<typeof segmentationFile>[0]>) =>
      segmentationFile({
        rows: 8,
        columns: 10,
        studyUid: STUDY,
        series: [SERIES],
        frameOfReference: SPACE,
        orientation: [1, 0, 0, 0, 1, 0],
        spacingMm: [1, 1],
        segments: [],
        frames: [],
        ...options,
      });
    const rois = structureSet([{ name: 'A', contours: HEIGHTS.map(named) }]);
    const ambiguous = segmentation({
      segments: [
        { number: 1, label: 'B' },
        { number: 2, label: 'C' },
        { number: 2, label: 'D' },
      ],
      frames: [
        { segment: 1, values, ...place(0) },
        { segment: 2, values, ...place(3) },
        { segment: 2, values: values.map(() => 0), ...place(6) },
        { segment: 1, values, position: [0, 0, 7] },
      ],
    });
    t.match(await find(t, { ...stack, 'rs.dcm': rois, 'seg.dcm': ambiguous }), {
      slices: ['A,B|', 'A|C,D', 'A|B', 'A|'],
      session: [3, 1],
    });
    const labels = segmentation({
      type: 'LABELMAP',
      segments: [
        { number: 1, label: 'B' },
        { number: 2, label: 'C' },
        { number: 2, label: 'B2' },
      ],
      frames: [
        { values, ...place(0) },
        { values: values.map((value) => 2 * value), ...place(3) },
      ],
    });
    t.match(await find(t, { ...stack, 'rs.dcm': rois, 'seg.dcm': labels }), {
      slices: ['A,B|', 'A|B2,C', 'A|', 'A|'],
    });
    const unlike = segmentationFile({
      rows: 4,
      columns: 5,
      studyUid: STUDY,
      series: [SERIES],
      segments: [{ number: 1, label: 'B' }],
      frames: [{ segment: 1, values: values.slice(0, 20), sources: [uid(3)] }],
    });
    const first = structureSet(roisWith([named(0)]));
    t.match(await find(t, { ...stack, 'rs.dcm': first, 'seg.dcm': unlike }), {
      slices: ['A,B|', 'A|B', 'A|', 'A|'],
      session: [3, 1],
    });
  },
);

t.test('the structures of an object that cannot be read may be on every slice of its study', async (t) => {
  const whole = structureSet(roisWith([named(0), named(3)]));
  const broken = structureSet(roisWith([named(6)])).slice(0, -20);
  const found = await find(t, { ...stack, 'rs.dcm': whole, 'rs2.dcm': broken });
  t.strictSame(found.slices, ['A,B|', 'A,B|', 'A|', 'A|']);
  t.strictSame(found.session, [2, 2], 'slices that have all that is asked for stay');
  t.strictSame(found.told, ['this RTSTRUCT cannot be read']);
});

t.test(
  'text contours that cannot be read or put on one image take their structure from each that they may mean',
  async (t) => {
    const SQUARE = '1 1\n5 1\n5 5\n1 5\n';
    const files = {
      'link.csv': linkTable(['P', 'O']),
      ...Object.fromEntries([1, 2, 3, 4, 5].map((number) => [imagePath('P', number), imageFile(number)])),
      [imagePath('P', 6)]: imageFile(6, { frames: 2, pixels: new Uint16Array(512) }),
      [contourPath('O', 6, 'B')]: SQUARE,
      ...Object.fromEntries([1, 2, 3, 4, 5].map((number) => [contourPath('O', number, 'A'), SQUARE])),
      [contourPath('O', 1, 'B')]: SQUARE,
      [contourPath('O', 2, 'B')]: '1 1\n5 NaN\n5 5\n',
      [contourPath('O', 3, 'B')]: '1 1\n5 5\n',
      [contourPath('O', 5, 'B')]: '1 1\n3 3\n5 5\n',
      'contourfiles/O/B-contours/IM-0001-0004-Ccontour-manual.txt': SQUARE,
    };
    t.match(await find(t, files), {
      slices: ['A,B|', 'A|B', 'A|B', 'A|B,C', 'A|B', '|B', '|B'],
      session: [1, 6],
      told: [],
    });
  },
);

t.test(
  'text contours whose number several images could have make their structure unusable on all of these',
  async (t) => {
    const SQUARE = '1 1\n5 1\n5 5\n1 5\n';
    const contour = (number: number, structure: string) =>
      `SC-HF-I-1/contours-manual/IRCCI-expert/IM-0001-000${number}-${structure}contour-manual.txt`;
    const twice = (name: string, number: number) => ({
      [`SC-HF-I-1/${name}.dcm`]: imageFile(number, {
        studyUid: STUDY,
        seriesUid: SERIES,
        instanceNumber: number,
        sopInstanceUid: seededUid(name),
      }),
    });
    const found = await find(t, {
      ...twice('a', 1),
      ...twice('b', 2),
      ...twice('c', 2),
      ...twice('d', 3),
      [contour(1, 'A')]: SQUARE,
      [contour(1, 'B')]: SQUARE,
      [contour(2, 'B')]: SQUARE,
      [contour(3, 'A')]: SQUARE,
    });
    t.strictSame([...found.slices].sort(), ['A,B|', 'A|', '|B', '|B']);
    t.strictSame(found.session, [2, 2]);
  },
);

t.test('unusable structures are part of the digests of a study and its slices', async (t) => {
  const named1 = async (contours: readonly ContourOptions[]) => {
    const root = temporaryFolder(t);
    for (const [path, content] of Object.entries(stack)) write(root, path, content);
    write(root, 'rs.dcm', structureSet(roisWith(contours)));
    const db = openCatalogue(t);
    await scanInto(db, root);
    const study = findStudy(db, STUDY)!;
    return { name: digests(db)[STUDY], structures: study.structures };
  };
  const without = await named1([named(0)]);
  const lost = await named1([named(0), { data: 'x', images: [uid(3)] }]);
  const elsewhere = await named1([named(0), { data: 'x', images: [uid(6)] }]);
  t.equal(new Set([without.name, lost.name, elsewhere.name]).size, 3);
  t.strictSame(lost.structures, { A: 4, B: 1 });
});

t.test('a source with more unusable parts than are kept is not used at all', async (t) => {
  const root = temporaryFolder(t);
  write(
    root,
    'frames.dcm',
    imageFile(1, {
      rows: 6,
      columns: 6,
      frames: 500,
      pixels: new Uint16Array(500 * 36),
      studyUid: STUDY,
      seriesUid: SERIES,
      sopInstanceUid: uid(1),
      position: [0, 0, 0],
      orientation: [1, 0, 0, 0, 1, 0],
      spacingMm: [1, 1],
      extra: [{ tag: '00200052', vr: 'UI', value: SPACE }],
    }),
  );
  const shared = Array.from({ length: 401 }, (_, n) => ({
    name: `B${n}`,
    contours: [{ points: square(0) }],
  }));
  const one = { points: square(0), images: [{ uid: uid(1), frames: [1] }] };
  write(root, 'rs.dcm', structureSet([{ name: 'A', contours: [one] }, ...shared]));
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.strictSame(findStudy(db, STUDY)?.structures, {});
  t.match(
    listProblems(db, STUDY).filter(({ code }) => code === 'STRUCTURE_UNUSABLE'),
    [{ file: 'rs.dcm', detail: /^so much of it cannot be used/ }],
  );
});

t.test('a segmentation whose frames may begin elsewhere is not read from the wrong place', async (t) => {
  const frames = [0, 3].map((height) => ({ values: new Array<number>(80).fill(1), sources: [uid(height)] }));
  const segments = [{ number: 1, label: 'B' }];
  const size = { studyUid: STUDY, frameOfReference: SPACE, rows: 8, columns: 10, segments, frames };
  const long = new Uint8Array(24).fill(0xff);
  const bytes = new Uint8Array(164).fill(1);
  for (const seg of [
    segmentationFile({ ...size, pixels: long }),
    segmentationFile({ ...size, type: 'FRACTIONAL', whole: 1, pixels: bytes }),
  ]) {
    const found = await find(t, { ...stack, 'rs.dcm': structureSet(roisWith([named(0)])), 'seg.dcm': seg });
    t.strictSame(found, {
      slices: ['A,B|', 'A|', 'A|', 'A|'],
      session: [1, 3],
      told: ['this SEG cannot be read'],
    });
  }
});

t.test('CLOSEDPLANAR_XOR contours that cancel each other are no mask', async (t) => {
  const xor = { points: square(3), type: 'CLOSEDPLANAR_XOR' };
  const missed = { slices: ['A,B|', 'A|B', 'A|', 'A|'], session: [3, 1], told: told(1) };
  t.strictSame(await onStack(t, [named(0), xor, xor]), missed);
  const whole = { slices: ['A,B|', 'A,B|', 'A|', 'A|'], session: [4, 0], told: [] };
  t.strictSame(await onStack(t, [named(0), xor, xor, xor]), whole, 'an odd number of them');
  t.strictSame(
    await onStack(t, [named(0), xor, xor, { points: square(3) }]),
    whole,
    'beside another contour',
  );
});

t.test(
  'frames and contours whose place or structure is not told take it from each slice that they may be on',
  async (t) => {
    const values = new Array<number>(80).fill(1);
    const segments = [
      { number: 1, label: 'B' },
      { number: 2, label: 'C' },
    ];
    const base = {
      rows: 8,
      columns: 10,
      studyUid: STUDY,
      series: [SERIES],
      frameOfReference: SPACE,
      segments,
    };
    const plane = { orientation: [1, 0, 0, 0, 1, 0], spacingMm: [1, 1] };
    const at = (height: number) => ({ values, position: [0, 0, height] });
    const rois = structureSet(roisWith([]));
    const slicesOf = async (frames: Parameters<typeof segmentationFile>[0]['frames'], more = segments) => {
      const seg = segmentationFile({ ...base, ...plane, segments: more, frames });
      return (await find(t, { ...stack, 'rs.dcm': rois, 'seg.dcm': seg })).slices;
    };
    const first = { ...at(0), segment: 1 };
    t.strictSame(await slicesOf([first, { values, segment: 1 }]), ['A,B|', 'A|B', 'A|B', 'A|B'], 'no place');
    const spoilt = { values, segment: 1, position: [0, Number.NaN, 3] };
    t.strictSame(await slicesOf([first, spoilt]), ['A,B|', 'A|B', 'A|B', 'A|B'], 'a place that is no number');
    const unsaid = { ...at(3), segment: null };
    t.strictSame(await slicesOf([first, unsaid]), ['A,B|', 'A|B,C', 'A|', 'A|'], 'no segment number');
    t.strictSame(
      await slicesOf([first, { ...at(3), segment: 7 }]),
      ['A,B|', 'A|', 'A|', 'A|'],
      'an undefined one',
    );
    const two = [
      { number: 1, label: 'B' },
      { number: '', label: 'C' },
    ];
    t.strictSame(await slicesOf([first, { ...at(3), segment: 7 }], two as never), [
      'A,B|',
      'A|C',
      'A|',
      'A|',
    ]);
    const set = structureSet([...roisWith([named(0)]), { name: 'C', contours: [named(3)], refersTo: '' }]);
    t.strictSame(
      (await find(t, { ...stack, 'rs.dcm': set })).slices,
      ['A,B|', '|A,B,C', 'A|', 'A|'],
      'no ROI number',
    );
  },
);
