import t, { type Test } from 'tap';
import { FileTable } from '../../src/catalog/files.js';
import type { StructureSet } from '../../src/core/structure-set.js';
import { openCatalogue } from './catalogue.js';

/** More numbers than one row of the catalogue takes. */
const MANY = 700_000;

function structures(count: number, step: number): StructureSet {
  return {
    sopInstanceUid: '1.9',
    studyUid: '1.2',
    seriesUid: '1.8',
    made: null,
    patient: null,
    lost: [],
    images: [],
    series: [],
    points: Float64Array.from({ length: count }, (_, at) => at * step),
    problems: [],
    rois: [],
  };
}

const finding = (path: string, guard: string, set: StructureSet) => ({
  path,
  guard,
  finding: { kind: 'structures', structures: set } as const,
  generations: null,
});

/** Compares without a line for every number. */
function isSame(t: Test, loaded: Awaited<ReturnType<FileTable['load']>>, wanted: StructureSet): void {
  if (loaded?.finding.kind !== 'structures') throw new Error('there is no structure set');
  const { points, ...rest } = loaded.finding.structures;
  const { points: wantedPoints, ...wantedRest } = wanted;
  t.strictSame(rest, wantedRest);
  t.ok(Buffer.from(points.buffer).equals(Buffer.from(wantedPoints.buffer)), 'the same numbers');
}

/** Counts how often others have had their turn meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isOver = true;
  return turns;
}

t.test(
  'the numbers of a large structure set are written and read in turns, and come back whole',
  async (t) => {
    const db = openCatalogue(t);
    const files = new FileTable(db);
    const [large, small] = [structures(MANY, 0.5), structures(30, 0.25)];
    const written = await turnsDuring(() =>
      files.put([finding('large.dcm', 'g1', large), finding('small.dcm', 'g1', small)]),
    );
    t.ok(written >= 3, `${written} turns`);
    const read = await turnsDuring(async () => {
      isSame(t, await files.load('large.dcm'), large);
    });
    t.ok(read >= 3, `${read} turns`);
    t.strictSame(await files.load('small.dcm'), finding('small.dcm', 'g1', small));
    const told = files.get('large.dcm')?.finding;
    t.equal(told?.kind === 'structures' && 'points' in told.structures, false, 'told without them');
  },
);

t.test('a reader sees the numbers of before or of now, and what is replaced goes', async (t) => {
  const db = openCatalogue(t);
  const files = new FileTable(db);
  const rows = () =>
    (db.prepare('SELECT count(*) AS count FROM file_numbers').get() as { count: number }).count;
  await files.put([finding('a.dcm', 'g1', structures(MANY, 1))]);
  const before = rows();
  const writing = files.put([finding('a.dcm', 'g2', structures(MANY, 2))]);
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(rows() > before, 'some are there');
  t.equal(files.get('a.dcm')?.guard, 'g1', 'and nobody sees them');
  await writing;
  t.equal(rows(), before);
  isSame(t, await files.load('a.dcm'), structures(MANY, 2));
  await files.put([finding('a.dcm', 'g3', structures(3, 1))]);
  t.equal(rows(), 0);
  await files.put([finding('a.dcm', 'g4', structures(MANY, 1))]);
  await files.forgetAllBut(new Set());
  t.strictSame([rows(), await files.load('a.dcm')], [0, null]);
});
