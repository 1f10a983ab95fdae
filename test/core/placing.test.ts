import t from 'tap';
import type { PlacedImage } from '../../src/core/located-image.js';
import { placeStructureSet } from '../../src/core/place-contours.js';
import { placeSegmentation } from '../../src/core/place-frames.js';
import { ImageFinder } from '../../src/core/placing.js';
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
    seriesUid: '1.8',
    made: null,
    patient: null,
    lost: [],
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
    offMm: 0,
  });
});

t.test('the image that is named, else the one in whose plane it lies, within the tolerance', async (t) => {
  const named = (uid: string, z: number) =>
    place(STACK, structureSet([{ z, references: [{ image: 0, frame: null }] }], { images: [uid] }));
  t.strictSame(named('b', 2), ['b']);
  t.strictSame(named('b', 2.05), ['b']);
  t.strictSame(named('b', 4), ['c', ELSEWHERE]);
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
    'CONTOUR_WITHOUT_PLACE ROI 1: contour 3-4: it lies in the plane of no image; left out',
  ]);
});

const OFF = 'CONTOUR_OFF_PLANE ROI 1: contour';
const ELSEWHERE = `${OFF} 1: it lies in the plane of another image than it names; placed there`;
const OPEN = 'several images of a series lie in its plane, and nothing tells which is meant; left out';
const DROPPED = `${OFF} 1: it lies off the plane of the image that it names, which is the nearest; dropped upon it`;
const AS_NAMED =
  'it lies nearer to the plane of another image than it names, and within the tolerance of the named one; placed as named';
const IN_NONE = `${OFF} 1: it lies off the plane of the image that it names: it lies in the plane of no image; left out`;

/** One contour at a height that names images by their SOPInstanceUIDs. */
const naming = (z: number, ...images: readonly string[]) =>
  structureSet([{ z, references: images.map((_, image) => ({ image, frame: null })) }], { images });

t.test('off the plane of the image that is named: used up to half the distance of slices', async (t) => {
  t.strictSame(place(STACK, naming(2.9, 'b')), ['b', DROPPED]);
  t.strictSame(place(STACK, naming(1.1, 'b')), ['b', DROPPED]);
  t.strictSame(place(STACK, naming(3, 'b')), ['b', DROPPED]);
  t.strictSame(place(STACK, naming(3.1, 'b')), ['', IN_NONE]);
  t.strictSame(place(STACK, naming(-0.9, 'a')), ['a', DROPPED]);
  t.strictSame(place(STACK, naming(-1.1, 'a')), ['', IN_NONE]);
  t.strictSame(place(STACK, naming(-100, 'a')), ['', IN_NONE]);
  const alone = [image('a', 0)];
  t.strictSame(place(alone, naming(0.5, 'a')), ['a', DROPPED]);
  t.strictSame(place(alone, naming(0.6, 'a')), ['', IN_NONE]);
  // A series for each slice: the others of the frame of reference tell the distance.
  const apart = STACK.map((one, at) => ({ ...one, seriesUid: `s${at}` }));
  t.strictSame(place(apart, naming(2.9, 'b')), ['b', DROPPED]);
  t.strictSame(place(apart, naming(4.05, 'b')), ['c', ELSEWHERE]);
  t.strictSame(place(apart, naming(3.1, 'b')), ['', IN_NONE]);
});

t.test('of another series only what is not of the one that is named', async (t) => {
  const both = [...STACK, ...[0, 2, 4, 7].map((z) => image(`M${z}`, z, { seriesUid: 'M' }))];
  t.strictSame(place(both, naming(4, 'a')), ['c', ELSEWHERE]);
  t.strictSame(place(both, naming(7, 'a')), ['M7', ELSEWHERE]);
  const phases = [image('a', 0), image('p1', 2), image('p2', 2)];
  t.strictSame(place(phases, naming(2, 'a')), [
    '',
    `${OFF} 1: it lies off the plane of the image that it names: ${OPEN}`,
  ]);
  t.strictSame(place(phases, naming(2, 'p1')), ['p1']);
  t.strictSame(place(phases, naming(2, 'p1', 'p2')), ['p1 p2']);
});

t.test(
  'phases a hair apart whose contours all lie in the plane of the first: the names decide',
  async (t) => {
    const phases = [image('p0', 0), image('p1', 0.02)];
    const contours = [0, 1].map((at) => ({ z: 0, references: [{ image: at, frame: null }] }));
    const set = structureSet(contours, { images: ['p0', 'p1'] });
    t.strictSame(place(phases, set), ['p0 p1', `${OFF} 2: ${AS_NAMED}`]);
  },
);

t.test('thin slices: the nearest plane alone', async (t) => {
  const thin = [0, 1, 2, 3, 4].map((at) => image(`t${at}`, at * 0.05));
  t.strictSame(place(thin, naming(0.1, 't1', 't2', 't3')), ['t2']);
  t.strictSame(place(thin, naming(0.1, 't2')), ['t2']);
  t.strictSame(place(thin, naming(0.1, 't1')), ['t2', ELSEWHERE], 'the nearest plane takes it, not the name');
  t.strictSame(place(thin, naming(0.1, 't1', 't3')), ['t2', ELSEWHERE]);
  t.strictSame(place(thin, naming(0.16, 't0')), ['t3', ELSEWHERE]);
  const midway = `CONTOUR_WITHOUT_PLACE ROI 1: contour 1: ${OPEN}`;
  t.strictSame(place(thin, naming(0.125, 't0', 't1', 't2', 't3', 't4')), ['', midway]);
  t.strictSame(place(thin, structureSet([{ z: 0.125 }])), ['', midway]);
  t.strictSame(place(thin, naming(0.12, 't2')), ['t2']);
  t.strictSame(place(thin, naming(0.125, 't3')), ['t3']);
  t.strictSame(place(thin, structureSet([{ z: 0.1 }])), ['t2']);
  const frames = [0, 1, 2, 3].map((frame) => image('e', 0.05 * frame, { frame }));
  t.strictSame(place(frames, naming(0.05, 'e')), [
    'e1',
    'FRAME_NOT_NAMED ROI 1: contour 1: it names an image of several frames and not which of them; placed by its plane',
  ]);
});

t.test('contours of several planes that name one image are never joined on it', async (t) => {
  const references = [{ image: 0, frame: null }];
  const all = (...heights: readonly number[]) =>
    structureSet(
      heights.map((z) => ({ z, references })),
      { images: ['b'] },
    );
  t.strictSame(place(STACK, all(0, 2, 4)), [
    'a b c',
    `${OFF} 1, 3: it lies in the plane of another image than it names; placed there`,
  ]);
  const piled =
    'it lies off the plane of the image that it names, where another one of its structure lies nearer; left out';
  t.strictSame(place(STACK, all(1.4, 2, 2.6)), ['b', `${OFF} 1, 3: ${piled}`]);
  // Two contours of one slice whose heights were rounded alike.
  t.strictSame(place(STACK, all(2.4, 2.4, 2.9)), [
    'b b',
    `${OFF} 1-2: it lies off the plane of the image that it names, which is the nearest; dropped upon it`,
    `${OFF} 3: ${piled}`,
  ]);
});

/** Contours by their heights and the images that each names; `of`: the ROIs that they are of, each named A. */
function drawn(...contours: readonly { z: number; names: readonly string[]; of?: number }[]) {
  const images = [...new Set(contours.flatMap(({ names }) => names))];
  const set = structureSet(
    contours.map(({ z, names }) => ({
      z,
      references: names.map((name) => ({ image: images.indexOf(name), frame: null })),
    })),
    { images },
  );
  const { contours: all, ...roi } = set.rois[0]!;
  const items = [...new Set(contours.map(({ of }) => of ?? 1))];
  const rois = items.map((item) => ({
    ...roi,
    item,
    contours: all.filter((_, at) => (contours[at]!.of ?? 1) === item),
  }));
  return { ...set, rois };
}

/** The images that contours lie on, and those that cannot be used, with `!` where contours there are too few. */
function carried(images: readonly PlacedImage[], set: StructureSet): [string, string] {
  const { parts, unused } = placeStructureSet(set, new ImageFinder(images, TOLERANCE_MM), TOLERANCE_MM);
  const used = [...parts].map(({ place: at }) => images[at]!.sopInstanceUid);
  const left = unused().list.map(
    ({ place: at, isBeside }) => images[at]!.sopInstanceUid + (isBeside ? '' : '!'),
  );
  return [used.join(' '), left.sort().join(' ')];
}

t.test('contours of one height that name an image each are not joined where they lie', async (t) => {
  const own = { z: 0, names: ['a'] };
  const others = [
    { z: 0, names: ['b'] },
    { z: 0, names: ['c'] },
  ];
  t.strictSame(carried(STACK, drawn(own, ...others)), ['a', 'a b! c!']);
  t.strictSame(carried(STACK, drawn(others[0]!, own)), ['a', 'a b!']);
  t.strictSame(place(STACK, drawn(own, ...others)), [
    'a',
    `${OFF} 2-3: it lies in the plane of another image than it names, and others of its structure there name that one; left out`,
  ]);
  // None of them names the image that all lie in.
  t.strictSame(carried(STACK, drawn(...others)), ['', 'a! b! c!']);
  t.strictSame(place(STACK, drawn(...others)), [
    '',
    `${OFF} 1-2: it lies in the plane of another image than it names, as others of its structure do that name yet other images; left out`,
  ]);
  // Parts of one slice that all name the next image.
  t.strictSame(carried(STACK, drawn(others[0]!, others[0]!)), ['a a', 'b']);
  // Two ROIs of one name are one structure.
  t.strictSame(carried(STACK, drawn({ ...own, of: 1 }, { ...others[0]!, of: 2 })), ['a', 'a b!']);
});

t.test(
  'of contours off the plane of the image that they name those of one plane alone are used',
  async (t) => {
    const b = (z: number, of = 1) => ({ z, names: ['b'], of });
    t.strictSame(carried(STACK, drawn(b(1.2), b(2.8))), ['', 'b!']);
    t.strictSame(place(STACK, drawn(b(1.2), b(2.8))), [
      '',
      `${OFF} 1-2: several of its structure lie off the plane of the image that they name, on both sides and equally near; left out`,
    ]);
    t.strictSame(carried(STACK, drawn(b(1.2), b(2.75))), ['', 'b!'], 'nearly equally near');
    t.strictSame(carried(STACK, drawn(b(1.2), b(2.6))), ['b', 'b']);
    t.strictSame(carried(STACK, drawn(b(2.5), b(2.5), b(2.58))), ['b b b', '']);
    t.strictSame(carried(STACK, drawn(b(2, 1), b(2.8, 2))), ['b', 'b'], 'two ROIs of one name');
    t.strictSame(carried(STACK, drawn(b(1.2, 1), b(2.8, 2))), ['', 'b!']);
    const alone = [image('b', 0)];
    t.strictSame(carried(alone, drawn(b(-0.3), b(0.3))), ['', 'b!']);
    // Between the slices of the series that they name, and in the planes of another.
    const both = [...STACK, image('M', 1, { seriesUid: 'M' }), image('N', 3, { seriesUid: 'M' })];
    const m = (z: number) => ({ z, names: ['M'] });
    t.strictSame(carried(both, drawn(m(0), m(2))), ['', 'M!']);
  },
);

t.test(
  'slices within the tolerance: a name decides, unless contours of several planes have it',
  async (t) => {
    const phases = [image('p0', 0), image('p1', 0.02), image('p2', 0.04)];
    const each = ['p0', 'p1', 'p2'].map((name) => ({ z: 0, names: [name] }));
    t.strictSame(carried(phases, drawn(...each)), ['p0 p1 p2', '']);
    const allOne = [0, 0.02, 0.04].map((z) => ({ z, names: ['p0'] }));
    t.strictSame(carried(phases, drawn(...allOne)), ['p0 p1 p2', 'p0!']);
    t.strictSame(carried(phases, drawn(...allOne.slice(1))), ['p1 p2', 'p0!']);
  },
);

t.test(
  'what is left out, or is elsewhere than it says, names the images that it may belong to',
  async (t) => {
    const unused = (images: readonly PlacedImage[], set: StructureSet) => {
      const { parts, unused: found } = placeStructureSet(
        set,
        new ImageFinder(images, TOLERANCE_MM),
        TOLERANCE_MM,
      );
      const offMm = [...parts].map((part) => part.offMm);
      return [
        offMm,
        found().list.map((each) => `${images[each.place]!.sopInstanceUid} ${each.structure} ${each.code}`),
      ];
    };
    t.strictSame(unused(STACK, naming(2, 'b')), [[0], []]);
    t.strictSame(unused(STACK, naming(3, 'b')), [[1], []]);
    t.strictSame(unused(STACK, naming(4, 'b')), [[2], ['b A CONTOUR_OFF_PLANE']]);
    t.strictSame(unused(STACK, naming(9, 'b')), [[], ['b A CONTOUR_OFF_PLANE']]);
    t.strictSame(unused(STACK, structureSet([{ z: 3 }])), [
      [],
      ['b A CONTOUR_WITHOUT_PLACE', 'c A CONTOUR_WITHOUT_PLACE'],
    ]);
    t.strictSame(unused(STACK, structureSet([{ z: 2.5 }])), [[], ['b A CONTOUR_WITHOUT_PLACE']]);
    t.strictSame(unused(STACK, structureSet([{ z: 9 }])), [[], []]);
    const phases = [image('a', 0), image('p1', 2), image('p2', 2)];
    t.strictSame(unused(phases, structureSet([{ z: 2 }])), [
      [],
      ['p1 A CONTOUR_WITHOUT_PLACE', 'p2 A CONTOUR_WITHOUT_PLACE'],
    ]);
  },
);

t.test('what is placed nowhere names every image that it may be on', async (t) => {
  const bare = (...heights: readonly number[]) => drawn(...heights.map((z) => ({ z, names: [] })));
  /** A contour whose third point lies at another height. */
  const bent = (z: number, end: number, names: readonly string[] = []) => {
    const set = drawn({ z, names });
    set.points[8] = end;
    return set;
  };
  t.strictSame(carried(STACK, bent(2, 0)), ['', 'a! b!']);
  t.strictSame(carried(STACK, bent(-1, 5)), ['', 'a! b! c!']);
  t.strictSame(carried(STACK, bent(2.05, 1.95)), ['b', '']);
  t.strictSame(carried(STACK, bent(2.15, 1.95)), ['', 'b!']);
  t.strictSame(carried(STACK, bent(4, 1, ['c'])), ['', 'b! c!']);
  // Left out, it is missed on the image that it names; placed elsewhere, it is not.
  t.strictSame(carried(STACK, drawn({ z: 2, names: ['b'] }, { z: 9, names: ['b'] })), ['b', 'b!']);
  t.strictSame(carried(STACK, drawn({ z: 2, names: ['b'] }, { z: 4, names: ['b'] })), ['b c', 'b']);
  const lost = [...STACK, image('x', 6, { plane: null }), image('y', 8, { frameOfReferenceUid: null })];
  t.strictSame(carried(lost, bare(6)), ['', 'x']);
  t.strictSame(carried(lost, bare(8)), ['', 'x y']);
  t.strictSame(carried(lost, bare(2)), ['b', '']);
  t.strictSame(carried(lost, drawn({ z: 7, names: ['b'] })), ['', 'b!']);
  const elsewhere = (z: number, space: string | null) => {
    const set = bare(z);
    return { ...set, rois: set.rois.map((roi) => ({ ...roi, frameOfReferenceUid: space })) };
  };
  t.strictSame(carried(STACK, elsewhere(2, '1.8')), ['', 'b']);
  t.strictSame(carried(STACK, elsewhere(3, '1.8')), ['', 'b c']);
  t.strictSame(carried(STACK, elsewhere(2, null)), ['', 'b']);
  t.strictSame(carried(STACK, elsewhere(20, '1.8')), ['', '']);
});

t.test('another frame of reference is another space', async (t) => {
  const elsewhere = [
    '',
    'CONTOUR_WITHOUT_PLACE ROI 1: contour 1: no image is in its frame of reference; left out',
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
      'CONTOUR_WITHOUT_PLACE ROI 1: contour 1: several images of a series lie in its plane, and nothing tells which is meant; left out',
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
  // Frames of one plane that are named by their file alone: nothing tells which.
  const phases = [0, 1].map((frame) => image('cine', 2, { frame }));
  t.strictSame(place(phases, naming(2, 'cine')), [
    '',
    'FRAME_NOT_NAMED ROI 1: contour 1: it names an image of several frames and not which of them; left out',
    `CONTOUR_WITHOUT_PLACE ROI 1: contour 1: ${OPEN}`,
  ]);
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
    doubtful: [],
    unnumbered: [],
    segments: [{ item: 1, number: 1, structure: 'A' }],
    frames: planes.map((plane) => ({ segment: 0, plane, references: [] })),
    images: [],
    series: [],
    problems: [],
    sopInstanceUid: '1.1',
    studyUid: '1.2',
    seriesUid: '1.8',
    made: null,
    patient: null,
    lost: [],
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
  const { parts, problems } = placeSegmentation(told, new ImageFinder(images, TOLERANCE_MM), TOLERANCE_MM);
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

t.test('frames that name another image than they lie in go where they lie', async (t) => {
  const references = [{ image: 0, frame: null }];
  const naming = (planes: readonly (Plane | null)[], uid: string, segments = 1) =>
    segmentation(planes, {
      images: [uid],
      segments: Array.from({ length: segments }, (_, at) => ({
        item: at + 1,
        number: at + 1,
        structure: 'A',
      })),
      frames: planes.map((plane, at) => ({ segment: at % segments, plane, references })),
      rasters: planes.map((_, frame) => ({ segment: frame % segments, frame, first: frame, count: 1 })),
    });
  t.strictSame(placeFrames(STACK, naming([planeAt(0), planeAt(2), planeAt(4)], 'b')), [
    [
      ['a', 0, null],
      ['b', 1, null],
      ['c', 2, null],
    ],
    ['CONTOUR_OFF_PLANE frame 1, 3: it lies in the plane of another image than it names; placed there'],
  ]);
  t.strictSame(placeFrames(STACK, naming([planeAt(1.2), planeAt(2.4)], 'b')), [
    [['b', 1, null]],
    [
      'CONTOUR_OFF_PLANE frame 1: it lies off the plane of the image that it names, where another one of its structure lies nearer; left out',
      'CONTOUR_OFF_PLANE frame 2: it lies off the plane of the image that it names, which is the nearest; dropped upon it',
    ],
  ]);
  // Nothing says where these lie: of one segment only one can be on the image, of two segments each.
  t.strictSame(placeFrames(STACK, naming([null, null], 'b')), [
    [],
    [
      'CONTOUR_WITHOUT_PLACE frame 1-2: several of its segment name one image, and do not say where they lie; left out',
    ],
  ]);
  t.strictSame(placeFrames(STACK, naming([null, null], 'b', 2)), [
    [
      ['b', 0, null],
      ['b', 1, null],
    ],
    [],
  ]);
});
