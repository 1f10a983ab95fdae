import fc from 'fast-check';
import t from 'tap';
import { packedPartsAt, partsOf } from '../../src/catalog/parts.js';
import {
  type FoundSlice,
  type FoundStudy,
  revisionDigest,
  writeRevision,
} from '../../src/catalog/revision.js';
import { sliceAt } from '../../src/catalog/slices.js';
import { foundContour } from '../../src/core/found-contours.js';
import type { SliceId, StudyId } from '../../src/core/ids.js';
import { extentsOf, type StructurePart } from '../../src/core/outlining.js';
import { unpackPart } from '../../src/core/packed-part.js';
import type { Part } from '../../src/core/part.js';
import { sha256 } from '../../src/sha256.js';
import { temporaryFolder } from '../helper.js';
import { writeImage } from '../loader/sources.js';
import { openCatalogue } from './catalogue.js';

const { header, headerDigest } = writeImage(temporaryFolder(t), 'a.dcm', {
  rows: 2,
  columns: 3,
  pixels: new Uint16Array(6),
});

function points(...coordinates: number[]): { readonly part: Part } {
  return { part: { kind: 'text', points: Float64Array.from(coordinates) } };
}

type Told = Omit<FoundSlice, 'contours'> & { readonly contours: readonly StructurePart[] };

function found(slice: string, { contours = [], ...changes }: Partial<Told> = {}): FoundSlice {
  return {
    slice: slice as SliceId,
    path: `dicoms/A/${slice}.dcm`,
    guard: '500.1.2.3',
    frame: 0,
    header,
    headerDigest,
    checksum: null,
    generation: null,
    unusable: [],
    contours: contours.map(({ structure, part }) => foundContour(structure, part, sha256)),
    ...changes,
  };
}

function study(...slices: FoundSlice[]): FoundStudy {
  return { id: 'A' as StudyId, patients: [], isUnread: false, slices };
}

const CONTOUR = { structure: 'i', ...points(0, 0, 1, 0, 0, 1) };
const SAME_POINTS = Float64Array.of(0, 0, 1, 0, 0, 1);
const RASTER = { rows: 2, columns: 3, matrix: null, runs: Uint32Array.of(0, 2) };
const OTHER_KINDS: readonly Part[] = [
  { kind: 'closed', roi: 1, points: SAME_POINTS },
  { kind: 'closed', roi: 2, points: SAME_POINTS },
  { kind: 'xor', roi: 1, points: SAME_POINTS },
  { kind: 'raster', raster: RASTER },
  { kind: 'raster', raster: { ...RASTER, runs: Uint32Array.of(0, 3) } },
  { kind: 'raster', raster: { ...RASTER, columns: 4 } },
  { kind: 'raster', raster: { ...RASTER, matrix: [1, 0, 0.5, 0, 1, 0] } },
];
const BEFORE = study(found('1', { contours: [CONTOUR] }), found('2'));

t.test('a state is named by 64 hexadecimal digits, the same each time', async (t) => {
  t.match(revisionDigest(BEFORE), /^[0-9a-f]{64}$/);
  t.equal(revisionDigest(structuredClone(BEFORE)), revisionDigest(BEFORE));
});

t.test('what makes no other content makes no other name', async (t) => {
  const elsewhere = { path: 'dicoms/elsewhere/7.dcm', guard: '500.7.8.9', checksum: 12 };
  const same = study(found('1', { contours: [CONTOUR], ...elsewhere }), found('2', elsewhere));
  t.equal(revisionDigest(same), revisionDigest(BEFORE));
});

t.test('every other content has another name', async (t) => {
  const first = { contours: [CONTOUR] };
  const others: FoundStudy[] = [
    { ...BEFORE, id: 'B' as StudyId },
    study(found('1', first)),
    study(found('2'), found('1', first)),
    study(found('1', first), found('3')),
    study(found('1', first), found('2'), found('3')),
    study(found('1', { ...first, guard: '501.1.2.3' }), found('2')),
    study(found('1', { ...first, frame: 1 }), found('2')),
    study(found('1', { ...first, headerDigest: 'f'.repeat(64) }), found('2')),
    study(found('1', { ...first, generation: 1 }), found('2')),
    study(found('1'), found('2')),
    study(found('1'), found('2', first)),
    study(found('1', { contours: [CONTOUR, CONTOUR] }), found('2')),
    study(found('1', { contours: [{ ...CONTOUR, structure: 'o' }] }), found('2')),
    study(found('1', { contours: [{ ...CONTOUR, ...points(0, 0, 1, 0, 0, 2) }] }), found('2')),
    ...OTHER_KINDS.map((part) => study(found('1', { contours: [{ structure: 'i', part }] }), found('2'))),
  ];
  t.equal(new Set([BEFORE, ...others].map(revisionDigest)).size, others.length + 1);
});

t.test('a structure of any name cannot pass for other content', async (t) => {
  const digestOf = (...names: string[]) =>
    revisionDigest(study(found('1', { contours: names.map((structure) => ({ ...CONTOUR, structure })) })));
  const property = fc.property(
    fc.string(),
    fc.string(),
    (a, b) => (digestOf(a) === digestOf(b)) === (a === b),
  );
  t.doesNotThrow(() => fc.assert(property));
});

t.test('a state is written once, with its counts', async (t) => {
  const db = openCatalogue(t);
  const id = await writeRevision(db, BEFORE);
  t.equal(await writeRevision(db, BEFORE), id);
  t.not(await writeRevision(db, study(found('1'))), id);
  t.match(db.prepare('SELECT * FROM revision WHERE id = ?').get(id), {
    digest: revisionDigest(BEFORE),
    study: 'A',
    slices: 2,
    pairs: 1,
    structures: '{"i":1}',
    rows: 2,
    columns: 3,
    complete: 1,
  });
  t.match(sliceAt(db, id, 0), { slice: '1', file: 'dicoms/A/1.dcm', header, structures: ['i'] });
  t.strictSame(partsOf(db, id, 0), [CONTOUR]);
});

t.test('several contours of a structure count once, and keep their order', async (t) => {
  const db = openCatalogue(t);
  const other = { structure: 'i', ...points(5, 5, 6, 5, 5, 6) };
  const outer = { structure: 'o', ...points(7, 7, 8, 7, 7, 8) };
  const id = await writeRevision(db, study(found('1', { contours: [other, outer, CONTOUR] })));
  t.match(db.prepare('SELECT structures, pairs FROM revision WHERE id = ?').get(id), {
    structures: '{"i":1,"o":1}',
    pairs: 1,
  });
  const extents = extentsOf(partsOf(db, id, 0), {
    names: [['o'], ['i'], ['none'], ['i', 'o']],
    holes: 'standard',
    originShift: 0,
  });
  t.strictSame(
    extents.map(({ regions }) => regions.map((region) => region.map((polygon) => polygon[0]))),
    [[[7]], [[5], [0]], [], [[5], [0], [7]]],
  );
});

t.test('of several slices the parts of some structures are read together', async (t) => {
  const db = openCatalogue(t);
  const other = { structure: 'i', ...points(5, 5, 6, 5, 5, 6) };
  const outer = { structure: 'o', ...points(7, 7, 8, 7, 7, 8) };
  const id = await writeRevision(
    db,
    study(found('1', { contours: [other, outer, CONTOUR] }), found('2'), found('3', { contours: [outer] })),
  );
  const at = (...ordinals: number[]) => ordinals.map((ordinal) => ({ revision: id, ordinal }));
  const read = (places: ReturnType<typeof at>, structures: string[]) =>
    packedPartsAt(db, places, structures).map((parts) =>
      parts.map((part) => ({ structure: part.structure, part: unpackPart(part) })),
    );
  t.strictSame(read(at(2, 1, 0), ['o', 'i']), [[outer], [], [outer, other, CONTOUR]]);
  t.strictSame(read(at(0, 2), ['i']), [[other, CONTOUR], []]);
  t.strictSame(read(at(0), []), [[]]);
  t.strictSame(read([], ['i']), []);
});

t.test('a large study is written in parts between which others get their turn', async (t) => {
  const db = openCatalogue(t);
  const large = study(...Array.from({ length: 501 }, (_, i) => found(String(i))));
  let turns = 0;
  let done = false;
  const count = () => {
    turns++;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  const id = await writeRevision(db, large);
  done = true;
  t.ok(turns >= 3, `${turns} turns`);
  t.equal(sliceAt(db, id, 500).slice, '500');
  t.throws(() => sliceAt(db, id, 501));
});

t.test('a state without slices', async (t) => {
  const db = openCatalogue(t);
  const id = await writeRevision(db, study());
  t.match(db.prepare('SELECT slices, pairs, rows FROM revision WHERE id = ?').get(id), {
    slices: 0,
    pairs: 0,
    rows: null,
  });
});

t.test('large contours are written in turns, and the state is there when all of it is', async (t) => {
  const db = openCatalogue(t);
  const ring = Float64Array.from({ length: 100_000 }, (_, at) => Math.sqrt(at));
  const contours = Array.from({ length: 8 }, (_, at) => ({
    ...CONTOUR,
    structure: `s${at}`,
    ...points(...ring),
  }));
  const writing = writeRevision(db, study(found('1', { contours })));
  const seen = new Set<number>();
  let isOver = false;
  const look = () => {
    if (isOver) return;
    const { whole } = db.prepare('SELECT count(*) AS whole FROM revision WHERE complete = 1').get() as {
      whole: number;
    };
    const { parts } = db.prepare('SELECT count(*) AS parts FROM contour').get() as { parts: number };
    if (whole === 0) seen.add(parts);
    setImmediate(look);
  };
  setImmediate(look);
  const id = await writing;
  isOver = true;
  t.ok(seen.size > 3, `between turns ${[...seen].join(', ')} contours were there`);
  t.equal(partsOf(db, id, 0).length, 8);
});
