import t from 'tap';
import { GatheredBytes, takeLongBytes } from '../../src/loader/long-bytes.js';
import type { PlaceOutcome } from '../../src/loader/messages.js';

function placed(bytes: number): PlaceOutcome {
  return {
    kind: 'placed',
    contours: Uint8Array.from({ length: bytes }, (_, at) => at % 251),
    structures: ['A'],
    unused: {
      places: new Uint32Array(0),
      structures: [],
      structureOf: new Uint32Array(0),
      beside: new Uint8Array(0),
    },
    problems: [],
    nothing: null,
  };
}

const MESSAGE_BYTES = 2 * 1024 * 1024;

t.test('many contours travel in pieces of at most 2 MiB, and come back as they were', async (t) => {
  const outcomes: PlaceOutcome[] = [
    { kind: 'changed' },
    placed(2 * MESSAGE_BYTES + 5),
    placed(3),
    placed(MESSAGE_BYTES + 8),
  ];
  const { pieces, outcomes: rest } = takeLongBytes(outcomes);
  t.strictSame(
    pieces.map(({ unit, bytes }) => [unit, bytes.length]),
    [
      [1, MESSAGE_BYTES],
      [1, MESSAGE_BYTES],
      [1, 5],
      [3, MESSAGE_BYTES],
      [3, 8],
    ],
  );
  t.equal(rest[2], outcomes[2], 'few contours stay where they are');
  const gathered = new GatheredBytes();
  for (const piece of pieces) gathered.add(structuredClone(piece));
  const back = gathered.giveBack(structuredClone(rest));
  for (const [at, outcome] of outcomes.entries()) {
    const [whole, same] = [outcome, back[at]!];
    if (whole.kind !== 'placed' || same.kind !== 'placed') t.strictSame(same, whole);
    else t.ok(Buffer.from(same.contours).equals(Buffer.from(whole.contours)), `outcome ${at}`);
  }
});
