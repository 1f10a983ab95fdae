import fc from 'fast-check';
import t from 'tap';
import { DEFAULT_LIMITS } from '../../src/core/dicom.js';
import { readStructureSet, type StructureSet } from '../../src/core/structure-set.js';
import { EXPLICIT_BIG, IMPLICIT_LITTLE, seededUid } from '../../src/demo/part10.js';
import { type ContourOptions, type RoiOptions, structureSetFile } from '../fixtures/structure-set-file.js';

const LIMITS = { ...DEFAULT_LIMITS, contourPoints: 10 };
const TRIANGLE = [0, 0, 5, 4, 0, 5, 0, 4, 5];

function read(bytes: Uint8Array): StructureSet {
  const found = readStructureSet(bytes, LIMITS);
  if (found.kind !== 'structures') throw new Error(JSON.stringify(found));
  return found.structures;
}

function problemsOf(...contours: ContourOptions[]): [number, string[]] {
  const { rois, problems } = read(structureSetFile({ rois: [{ name: 'A', contours }] }));
  return [rois[0]!.contours.length, problems.map(({ code, detail }) => `${code} ${detail}`)];
}

t.test('ROIs, their contours and what they name, in every encoding', async (t) => {
  for (const transferSyntax of [IMPLICIT_LITTLE, EXPLICIT_BIG, '1.2.840.10008.1.2.1'])
    for (const undefinedLength of [false, true]) {
      const bytes = structureSetFile({
        transferSyntax,
        undefinedLength,
        studyUid: '1.2.3',
        sopInstanceUid: '1.2.9',
        frameOfReference: '1.2.4',
        series: ['1.2.7', '1.2.8'],
        extra: [
          { tag: '30060008', vr: 'DA', value: '20200102' },
          { tag: '30060009', vr: 'TM', value: '030405' },
        ],
        rois: [
          { name: 'Heart ', contours: [{ points: TRIANGLE, images: ['1.5'] }] },
          {
            name: 'Ring',
            frameOfReference: '1.2.5',
            contours: [
              { type: 'CLOSEDPLANAR_XOR', points: TRIANGLE, images: ['1.6', '1.5'] },
              {
                type: 'CLOSED_PLANAR_XOR',
                points: [...TRIANGLE, 0, 0, 5],
                images: [{ uid: '1.7', frames: [2, 3] }],
              },
            ],
          },
        ],
      });
      const found = read(bytes);
      t.strictSame(
        { ...found, points: [...found.points] },
        {
          sopInstanceUid: '1.2.9',
          studyUid: '1.2.3',
          seriesUid: seededUid('structure set series'),
          made: '20200102030405.000000',
          patient: null,
          lost: [],
          images: ['1.5', '1.6', '1.7'],
          series: ['1.2.7', '1.2.8'],
          points: [...TRIANGLE, ...TRIANGLE, ...TRIANGLE],
          problems: [],
          rois: [
            {
              item: 1,
              structure: 'Heart',
              frameOfReferenceUid: '1.2.4',
              contours: [
                { type: 'closed', item: 1, first: 0, count: 3, references: [{ image: 0, frame: null }] },
              ],
            },
            {
              item: 2,
              structure: 'Ring',
              frameOfReferenceUid: '1.2.5',
              contours: [
                {
                  type: 'xor',
                  item: 1,
                  first: 3,
                  count: 3,
                  references: [
                    { image: 1, frame: null },
                    { image: 0, frame: null },
                  ],
                },
                {
                  type: 'xor',
                  item: 2,
                  first: 6,
                  count: 3,
                  references: [
                    { image: 2, frame: 2 },
                    { image: 2, frame: 3 },
                  ],
                },
              ],
            },
          ],
        },
      );
    }
});

t.test('what encloses nothing or cannot be read is left out and told once, with its place', async (t) => {
  const point = { type: 'POINT', points: [1, 2, 3] };
  t.strictSame(problemsOf(point, { points: TRIANGLE }, point, { type: 'OPEN_PLANAR', points: TRIANGLE }), [
    1,
    ['CONTOUR_OPEN ROI 1: contour 1, 3-4: a point or an open contour encloses nothing; left out'],
  ]);
  t.strictSame(problemsOf({ points: [1, 2, 3] }, { points: [1, 2, 3, 4, 5, 6] }, { points: [] }), [
    0,
    ['CONTOUR_TOO_FEW_POINTS ROI 1: contour 1-3: it has fewer than 3 points, a polygon needs 3; left out'],
  ]);
  t.strictSame(problemsOf({ points: [0, 0, 0, 1, 1, 0, 0, 0, 0] }), [
    0,
    ['CONTOUR_TOO_FEW_POINTS ROI 1: contour 1: it has fewer than 3 points, a polygon needs 3; left out'],
  ]);
  const many = Array.from({ length: 33 }, (_, i) => i);
  t.strictSame(problemsOf({ points: many }, { points: [...many.slice(0, 30), 0, 1, 2] }), [
    1,
    ['CONTOUR_TOO_MANY_POINTS ROI 1: contour 1: it has more than 10 points; left out'],
  ]);
  for (const data of [
    '0\\0\\0\\1\\NaN\\0\\1\\1\\0',
    '0\\0\\0\\1\\\\0\\1\\1\\0',
    '0\\0\\0\\1e999\\0\\0\\1\\1\\0',
  ])
    t.strictSame(
      problemsOf({ data }),
      [0, ['CONTOUR_NOT_A_NUMBER ROI 1: contour 1: a coordinate is no finite number; left out']],
      data,
    );
  t.strictSame(problemsOf({ data: '0\\0\\0\\1\\1', said: 2 }), [
    0,
    ['CONTOUR_NOT_A_NUMBER ROI 1: contour 1: its coordinates are no whole number of points; left out'],
  ]);
  t.strictSame(problemsOf({ type: 'CLOSED', points: TRIANGLE }), [
    0,
    ['CONTOUR_TYPE ROI 1: contour 1: its ContourGeometricType is missing or none that is known; left out'],
  ]);
  t.strictSame(problemsOf({ points: TRIANGLE, said: 4 }), [
    1,
    [
      'CONTOUR_POINT_COUNT ROI 1: contour 1: NumberOfContourPoints says another number than there are; they are used',
    ],
  ]);
});

t.test('names: character sets, none at all, the same twice, longer than can be asked for', async (t) => {
  const contours = [{ points: TRIANGLE }];
  const named = (name: string | Uint8Array | undefined, set?: string) => {
    const roi = name === undefined ? { contours } : { name, contours };
    const extra = set === undefined ? [] : [{ tag: '00080005', vr: 'CS', value: set }];
    return read(structureSetFile({ rois: [roi], extra })).rois[0]!.structure;
  };
  t.equal(named('Neoplasm, Primary'), 'Neoplasm, Primary');
  t.equal(named('Herz gro\u00df', 'ISO_IR 192'), 'Herz gro\u00df');
  t.equal(named(Uint8Array.of(0x47, 0x72, 0xfc, 0x6e), 'ISO_IR 100'), 'Gr\u00fcn');
  t.equal(named(Uint8Array.of(0x47, 0x72, 0xfc, 0x6e)), 'Gr\u00fcn');
  t.equal(named(Uint8Array.of(0x1b, 0x24, 0x42, 0x3f, 0x34, 0x1b, 0x28, 0x42), '\\ISO 2022 IR 87'), '\u5fc3');
  t.equal(named(Uint8Array.of(0xc1, 0xb2), 'ISO_IR 144'), '\u0421\u0412');
  t.equal(named('a\tb\nc'), 'a b c');
  t.equal(named(undefined), 'roi-1');
  t.equal(named('  '), 'roi-1');
  t.equal(named('x'.repeat(80)).length, 64);
  const { rois, problems } = read(
    structureSetFile({
      rois: [
        { name: 'GTV', contours },
        { name: 'GTV', contours },
      ],
    }),
  );
  t.strictSame(
    rois.map(({ structure }) => structure),
    ['GTV', 'GTV'],
  );
  t.match(problems, [{ code: 'STRUCTURE_NAME', detail: /^ROI 2:/ }]);
});

t.test('contours of an ROI that is not defined are left out', async (t) => {
  const bytes = structureSetFile({ rois: [{ name: 'A', contours: [{ points: TRIANGLE }] }] });
  // The ROI's own number becomes 9.
  const at = Buffer.from(bytes).indexOf(Buffer.from([0x06, 0x30, 0x22, 0x00]));
  const changed = Uint8Array.from(bytes);
  changed[at + 8] = 0x39;
  const { rois, problems } = read(changed);
  t.strictSame(rois, []);
  t.match(problems, [{ code: 'ROI_UNKNOWN' }]);
});

t.test('ROIs that share a number are matched by the order of both sequences, or left out', async (t) => {
  const contoursOf = (z: number) => [{ points: [0, 0, z, 4, 0, z, 0, 4, z] }];
  const found = (...rois: RoiOptions[]) => {
    const set = read(structureSetFile({ rois }));
    const drawn = set.rois.map(
      ({ structure, contours }) => `${structure} ${contours.map(({ first }) => set.points[3 * first + 2])}`,
    );
    return [drawn.join(', '), ...set.problems.map(({ code, detail }) => `${code} ${detail}`)];
  };
  const apart =
    'several ROIs have this number, and as many contour items name it: they are matched by their order';
  const leftOut =
    'several ROIs have this number, and a different number of contour items name it: left out; give each ROI a number of its own';
  t.strictSame(
    found(
      { name: 'Heart', number: 1, contours: contoursOf(5) },
      { name: 'Liver', number: 3, contours: contoursOf(6) },
      { name: 'Spleen', number: 3, contours: contoursOf(7) },
    ),
    ['Heart 5, Liver 6, Spleen 7', `ROI_NUMBER_TWICE ROINumber 3: ${apart}`],
  );
  t.strictSame(
    found(
      { name: 'Heart', number: 1, contours: contoursOf(5) },
      { name: 'Lung', number: 1, contours: null },
      { name: 'Liver', number: 2, contours: contoursOf(6) },
    ),
    ['Liver 6', `ROI_NUMBER_TWICE ROINumber 1: ${leftOut}`],
  );
  t.strictSame(
    found(
      { name: 'Heart', number: 1, contours: contoursOf(5) },
      { name: 'Lung', number: '01', contours: contoursOf(6) },
      { name: 'Liver', number: 2, refersTo: '+1', contours: contoursOf(7) },
    ),
    ['', `ROI_NUMBER_TWICE ROINumber 1: ${leftOut}`],
    'an item too many, however the number is written',
  );
  t.strictSame(
    found(
      { name: 'Heart', number: 'A', contours: contoursOf(5) },
      { name: 'Lung', number: 'A', contours: contoursOf(6) },
      { name: 'Liver', number: 'B', contours: contoursOf(7) },
    ),
    ['Heart 5, Lung 6, Liver 7', `ROI_NUMBER_TWICE the ROINumber of ROI 1-2: ${apart}`],
    'a number that is none',
  );
  t.strictSame(
    found(
      { name: 'Heart', number: 1, contours: contoursOf(5) },
      { name: 'Heart ', number: 1, contours: null },
    ),
    ['Heart 5'],
    'the same ROI twice',
  );
});

t.test('integer strings are numbers even with leading zeros, signs or spaces', async (t) => {
  for (const [number, refersTo] of [
    ['01', '1'],
    ['1', '+1'],
    ['1.0', '0000000001'],
    [' 7', '7 '],
  ] as const) {
    const bytes = structureSetFile({
      rois: [{ name: 'G', number, refersTo, contours: [{ points: TRIANGLE }] }],
    });
    t.match(read(bytes), { rois: [{ structure: 'G' }], problems: [] }, `${number} is ${refersTo}`);
  }
  const named = structureSetFile({
    rois: [
      {
        name: 'G',
        contours: [{ points: TRIANGLE, images: [{ uid: '1.7', frames: ['0002', '+3', '4.'] }] }],
      },
    ],
  });
  t.strictSame(
    read(named).rois[0]!.contours[0]!.references.map(({ frame }) => frame),
    [2, 3, 4],
  );
});

t.test('coordinates are the doubles that Number gives', async () => {
  const decimal = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => String(value)),
    fc.tuple(fc.integer(), fc.nat({ max: 99_999_999 })).map(([a, b]) => `${a}.${b}`),
    fc.constantFrom('-0', '+1.', '.5', '-.25', '1E3', '1e-3', '00012.50', '123456789012345678'),
  );
  fc.assert(
    fc.property(fc.array(decimal, { minLength: 9, maxLength: 9 }), (values) => {
      const { points, rois } = read(
        structureSetFile({
          rois: [{ name: 'A', contours: [{ data: values.map((v) => ` ${v} `).join('\\') }] }],
        }),
      );
      const wanted = values.map((value) => Number(value) + 0);
      const [contour] = rois[0]!.contours;
      // A last point like the first one is dropped, and with it the contour.
      return !contour || wanted.every((value, at) => Object.is(points[at], value));
    }),
    { numRuns: 200 },
  );
});

t.test('a coordinate list over 64 KiB, which has VR UN in explicit files', async (t) => {
  const points = Array.from({ length: 30_000 }, (_, i) => Math.sin(i) * 100);
  const bytes = structureSetFile({ rois: [{ name: 'A', contours: [{ points }] }] });
  const found = readStructureSet(bytes, { ...LIMITS, contourPoints: 10_000 });
  if (found.kind !== 'structures') throw new Error(JSON.stringify(found));
  t.equal(found.structures.rois[0]!.contours[0]!.count, 10_000);
  t.strictSame([...found.structures.points], points);
});

t.test('no bytes make it throw', async (t) => {
  const bytes = structureSetFile({
    undefinedLength: true,
    rois: [
      {
        name: 'A',
        contours: [
          { points: TRIANGLE, images: ['1.5'] },
          { type: 'POINT', points: [1, 2, 3] },
        ],
      },
    ],
  });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), { maxLength: 4 }),
      fc.nat({ max: bytes.length }),
      (changes, length) => {
        const broken = Uint8Array.from(bytes);
        for (const [at, value] of changes) broken[at] = value;
        const found = readStructureSet(broken.subarray(0, length), LIMITS);
        return found.kind !== 'refused' || found.problem.detail.length > 0;
      },
    ),
    { numRuns: 500 },
  );
  t.equal(readStructureSet(new Uint8Array(0), LIMITS).kind, 'refused');
});
