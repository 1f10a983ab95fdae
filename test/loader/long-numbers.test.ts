import t from 'tap';
import { GatheredNumbers, takeLongNumbers } from '../../src/loader/long-numbers.js';
import type { ScanFinding } from '../../src/loader/messages.js';

function structures(count: number): ScanFinding {
  const points = Float64Array.from({ length: count }, (_, at) => at / 3);
  const set = {
    sopInstanceUid: '1.9',
    studyUid: '1.2',
    seriesUid: '1.8',
    made: null,
    patient: null,
    lost: [],
    images: [],
    series: [],
    points,
    problems: [],
    rois: [],
  };
  return { kind: 'structures', structures: set };
}

const MESSAGE_BYTES = 2 * 1024 * 1024;

t.test('long numbers travel in pieces of at most 2 MiB, and come back as they were', async (t) => {
  const table: ScanFinding = { kind: 'table', table: { rows: [], problems: [] } };
  const findings = [table, structures(600_001), structures(3), structures(262_145)];
  const { pieces, findings: told } = takeLongNumbers(findings);
  t.strictSame(
    pieces.map(({ unit, bytes }) => [unit, bytes.length]),
    [
      [1, MESSAGE_BYTES],
      [1, MESSAGE_BYTES],
      [1, 600_001 * 8 - 2 * MESSAGE_BYTES],
      [3, MESSAGE_BYTES],
      [3, 8],
    ],
  );
  t.equal(told[2], findings[2], 'few numbers stay where they are');
  const gathered = new GatheredNumbers();
  for (const piece of pieces) gathered.add(structuredClone(piece));
  const back = gathered.giveBack(structuredClone(told));
  for (const [at, finding] of findings.entries()) {
    const [whole, same] = [finding, back[at]!];
    if (whole.kind !== 'structures' || same.kind !== 'structures') t.strictSame(same, whole);
    else t.ok(Buffer.from(same.structures.points.buffer).equals(Buffer.from(whole.structures.points.buffer)));
  }
});

t.test('runs of segmentations travel so as well', async (t) => {
  const runs = Uint32Array.from({ length: 600_000 }, (_, at) => at);
  const finding = { kind: 'segmentation', segmentation: { runs } } as unknown as ScanFinding;
  const { pieces, findings } = takeLongNumbers([finding]);
  t.equal(pieces.length, 2);
  const gathered = new GatheredNumbers();
  for (const piece of pieces) gathered.add(piece);
  const [back] = gathered.giveBack(findings);
  t.ok(back?.kind === 'segmentation' && back.segmentation.runs.every((value, at) => value === at));
});
