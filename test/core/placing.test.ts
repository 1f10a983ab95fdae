import t from 'tap';
import { placeSegmentation, placeStructureSet } from '../../src/core/place-outlines.js';
import { ImageFinder, type PlacedImage } from '../../src/core/placing.js';
import type { Plane } from '../../src/core/plane.js';
import type { Segmentation } from '../../src/core/segment-rasters.js';
import type { Roi, RoiContour, StructureSet } from '../../src/core/structure-set.js';

const TOLERANCE_MM = 0.1;
const SPACE = '1.9';

function planeAt(z: number): Plane {
  return { position: [10, 20, z], orientation: [1, 0, 0, 0, 1, 0], spacingMm: [2, 0.5] };
}

function image(uid: string, z: number, changes: Partial<PlacedImage> = {}): PlacedImage {
  const where = { frameOfReferenceUid: SPACE, plane: planeAt(z), rows: 8, columns: 8 };
  return { sopInstanceUid: uid, frame: 0, seriesUid: 's', ...where, ...changes };
}

const STACK = [image('a', 0), image('b', 2), image('c', 4)];

/** A triangle of pixels (1, 1), (3, 1), (1, 2) at a height. */
function triangle(z: number): number[] {
  return [10.5, 22, z, 11.5, 22, z, 10.5, 24, z];
}

function structureSet(
  contours: readonly (Partial<RoiContour> & { z: number })[],
  changes: Partial<StructureSet & Roi> = {},
): StructureSet {
  const { images = [], series = [], ...roi } = changes;
  const points = Float64Array.from(contours.flatMap(({ z }) => triangle(z)));
  const read = contours.map(
    ({ z: _, ...contour }, at): RoiContour => ({
      type: 'closed',
      item: at + 1,
      first: 3 * at,
      count: 3,
      references: [],
      ...contour,
    }),
  );
  return {
    sopInstanceUid: '1.1',
    studyUid: '1.2',
    patient: null,
    images,
    series,
    points,
    problems: [],
    rois: [{ item: 1, structure: 'A', frameOfReferenceUid: SPACE, contours: read, ...roi }],
  };
}

function place(images: readonly PlacedImage[], set: StructureSet) {
  const { parts, problems } = placeStructureSet(set, new ImageFinder(images, TOLERANCE_MM), TOLERANCE_MM);
  const placed = [...parts].map(({ place: at }) => images[at]!.sopInstanceUid + (images[at]!.frame || ''));
  return [placed.join(' '), ...problems().map(({ code, detail }) => `${code} ${detail}`)];
}

t.test('points become columns and rows of their image', async (t) => {
  const set = structureSet([{ z: 2 }]);
  const [placed] = placeStructureSet(set, new ImageFinder(STACK, TOLERANCE_MM), TOLERANCE_MM).parts;
  t.strictSame(placed, {
    place: 1,
    structure: 'A',
    part: { kind: 'closed', roi: 1, points: Float64Array.of(1, 1, 3, 1, 1, 2) },
  });
});

t.test('the image that is named, else the one in whose plane it lies, within the tolerance', async (t) => {
  const named = (uid: string, z: number) =>
    place(STACK, structureSet([{ z, references: [{ image: 0, frame: null }] }], { images: [uid] }));
  t.strictSame(named('b', 2), ['b']);
  t.strictSame(named('b', 2.05), ['b']);
  t.strictSame(named('b', 4), [
    'b',
    'CONTOUR_OFF_PLANE ROI 1: contour 1: it lies off the plane of the image that it names; it is dropped upon it',
  ]);
  t.strictSame(named('gone', 4), [
    'c',
    'CONTOUR_WITHOUT_IMAGE ROI 1: contour 1: it names an image that is not there; placed by its plane',
  ]);
  t.strictSame(named('gone', 6), [
    '',
    'CONTOUR_WITHOUT_IMAGE ROI 1: contour 1: it names an image that is not there; left out',
  ]);
  t.strictSame(place(STACK, structureSet([{ z: 0.09 }, { z: 3.91 }, { z: 0.2 }, { z: 1 }])), [
    'a c',
    'CONTOUR_WITHOUT_PLACE ROI 1: contour 3-4: no image is there that it names, or in whose plane it lies; left out',
  ]);
});

t.test('another frame of reference is another space', async (t) => {
  const elsewhere = [
    '',
    'CONTOUR_WITHOUT_PLACE ROI 1: contour 1: it names no image that is there, and no image is in its frame of reference; left out',
  ];
  t.strictSame(place(STACK, structureSet([{ z: 2 }], { frameOfReferenceUid: '1.8' })), elsewhere);
  t.strictSame(place(STACK, structureSet([{ z: 2 }], { frameOfReferenceUid: null })), elsewhere);
});

t.test(
  'several series: those that the set names, else all; two images of one in a plane leave it open',
  async (t) => {
    const both = [...STACK, image('B', 2.01, { seriesUid: 'S' })];
    t.strictSame(place(both, structureSet([{ z: 2 }])), ['b B']);
    t.strictSame(place(both, structureSet([{ z: 2 }], { series: ['S'] })), ['B']);
    t.strictSame(place(both, structureSet([{ z: 2 }], { series: ['none'] })), ['b B']);
    const phases = [image('a', 0), image('p1', 2), image('p2', 2)];
    t.strictSame(place(phases, structureSet([{ z: 2 }])), [
      '',
      'CONTOUR_WITHOUT_PLACE ROI 1: contour 1: several images of a series lie in its plane, and it names none of them; left out',
    ]);
    const near = [image('n', 2), image('m', 2.06)];
    t.strictSame(place(near, structureSet([{ z: 2.05 }])), ['m']);
  },
);

t.test('a frame that is named, and a file of frames whose plane tells which', async (t) => {
  const frames = [0, 1, 2].map((frame) => image('mf', 2 * frame, { frame }));
  const named = (frame: number | null, z: number) =>
    place(frames, structureSet([{ z, references: [{ image: 0, frame }] }], { images: ['mf'] }))[0];
  t.equal(named(2, 2), 'mf1');
  t.equal(named(null, 4), 'mf2');
  t.match(named(null, 5), '');
  const set = structureSet([{ z: 9, references: [{ image: 0, frame: 7 }] }], { images: ['mf'] });
  t.match(place(frames, set)[1], /^CONTOUR_WITHOUT_IMAGE/);
});

t.test('an image without a plane takes no contour; what leaves the image is told', async (t) => {
  const references = [{ image: 0, frame: null }];
  const flat = [image('a', 0, { plane: null })];
  t.strictSame(place(flat, structureSet([{ z: 0, references }], { images: ['a'] })), [
    '',
    'CONTOUR_WITHOUT_PLACE ROI 1: contour 1: its image does not say where it lies; left out',
  ]);
  t.strictSame(place([image('a', 0, { columns: 3 })], structureSet([{ z: 0 }])), [
    'a',
    'CONTOUR_OUTSIDE ROI 1: contour 1: the mask is clipped to the image',
  ]);
  const away = { ...planeAt(0), position: [90, 20, 0] as const };
  t.strictSame(
    place([image('a', 0, { plane: away })], structureSet([{ z: 0, references }], { images: ['a'] })),
    ['', 'CONTOUR_OUTSIDE ROI 1: contour 1: no pixel of its image is inside it; left out'],
  );
});

function segmentation(planes: readonly (Plane | null)[], changes: Partial<Segmentation> = {}): Segmentation {
  return {
    type: 'binary',
    whole: 255,
    padding: null,
    segments: [{ item: 1, number: 1, structure: 'A' }],
    frames: planes.map((plane) => ({ segment: 0, plane, references: [] })),
    images: [],
    series: [],
    problems: [],
    sopInstanceUid: '1.1',
    studyUid: '1.2',
    patient: null,
    frameOfReferenceUid: SPACE,
    rows: 8,
    columns: 8,
    threshold: null,
    rasters: planes.map((_, frame) => ({ segment: 0, frame, first: frame, count: 1 })),
    runs: Uint32Array.from(planes.flatMap((_, frame) => [frame, frame + 1])),
    ...changes,
  };
}

function placeFrames(images: readonly PlacedImage[], told: Segmentation) {
  const { parts, problems } = placeSegmentation(told, new ImageFinder(images, TOLERANCE_MM));
  const placed = [...parts].map(({ place: at, part }) => [
    images[at]!.sopInstanceUid,
    part.kind === 'raster' ? [...(part.raster.runs as Uint32Array)][0] : null,
    part.kind === 'raster' ? part.raster.matrix : null,
  ]);
  return [placed, problems().map(({ code, detail }) => `${code} ${detail}`)];
}

t.test('frames in any order find their images; the same grid is taken as it is', async (t) => {
  t.strictSame(placeFrames(STACK, segmentation([planeAt(4), planeAt(0), planeAt(2.00001)])), [
    [
      ['c', 0, null],
      ['a', 1, null],
      ['b', 2, null],
    ],
    [],
  ]);
});

t.test('another grid is taken by the nearest, and told', async (t) => {
  const shifted = { ...planeAt(0), position: [9, 20, 0] as const };
  const elsewhere =
    'SEGMENTATION_GRID frame 1: its pixels lie elsewhere than those of its image: each of those takes the nearest';
  const third = segmentation([shifted], { runs: Uint32Array.of(2, 3) });
  t.strictSame(placeFrames(STACK, third), [[['a', 2, [1, 0, 2, 0, 1, 0]]], [elsewhere]]);
  t.strictSame(
    placeFrames(STACK, segmentation([shifted])),
    [[], [elsewhere, 'CONTOUR_OUTSIDE frame 1: no pixel of its image is inside it; left out']],
    'its first pixel lies beside the image',
  );
  const tiny = { ...planeAt(0), position: [10.001, 20, 0] as const };
  t.strictSame(placeFrames(STACK, segmentation([tiny])), [[['a', 0, null]], []]);
});

t.test('a frame without a place goes by what it names, where the sizes agree', async (t) => {
  const frames = [{ segment: 0, plane: null, references: [{ image: 0, frame: null }] }];
  t.strictSame(placeFrames(STACK, segmentation([null], { frames, images: ['b'] })), [[['b', 0, null]], []]);
  t.strictSame(placeFrames(STACK, segmentation([null], { frames, images: ['b'], rows: 4 })), [
    [],
    ['SEGMENTATION_GRID frame 1: it has another size than its image and nothing says how they lie; left out'],
  ]);
  t.match(placeFrames(STACK, segmentation([null]))[1], [/^CONTOUR_WITHOUT_PLACE frame 1/]);
});
