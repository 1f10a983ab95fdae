// Loads pairs the way a loader child does, `node load-pairs.mjs STATE DATA STRUCTURE DTYPE PAIRS [--channel]`: batches of 8 into one
// segment in memory, by what the catalogue in STATE knows of them. In this process alone, which is what one core does; with --channel in a
// child, one task after the other through its channel. Prints a JSON line.
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packedPartsAt } from '../dist/src/catalog/parts.js';
import { openDatabase } from '../dist/src/catalog/schema.js';
import { listSlices } from '../dist/src/catalog/slices.js';
import { listStudies } from '../dist/src/catalog/studies.js';
import { DEFAULT_LIMITS } from '../dist/src/core/dicom.js';
import { batchLayout } from '../dist/src/core/layout.js';
import { LoaderChild } from '../dist/src/loader/child.js';
import { load } from '../dist/src/loader/load.js';
import { sealSource } from '../dist/src/loader/sealed.js';

const [state, root, structure, dtype, count, mode] = process.argv.slice(2);
const SLOTS = 8;
const MEMORY = 2 ** 30;
const limits = {
  ...DEFAULT_LIMITS,
  headerBytes: MEMORY / 4,
  frameBytes: MEMORY / 4,
  fileBytes: MEMORY,
  contourPoints: 100_000,
  keptBytes: 2 ** 24,
};
const recipe = {
  values: 'rescaled',
  normalize: 'none',
  fit: 'exact',
  fill: 0,
  dtype,
  rule: 'pixel-center',
};

/** The units of every pair of the catalogue, cut into batches. */
function readBatches() {
  const db = openDatabase(state);
  const units = listStudies(db, '', 100_000).flatMap(({ id }) =>
    listSlices(db, id, -1, 1000, false)
      .filter(({ structures }) => structures.includes(structure))
      .map(({ file, revision, ordinal, guard, header, headerDigest, checksum, frame }, place) => ({
        slot: 0,
        place,
        source: sealSource({
          source: { root, path: file, guard, header: JSON.stringify(header), headerDigest, checksum, frame },
          drawn: {
            parts: packedPartsAt(db, [{ revision, ordinal }], [structure])[0],
            outlining: { names: [[structure]], holes: 'standard', originShift: 0 },
          },
        }),
      })),
  );
  db.close();
  const batches = [];
  for (let from = 0; from + SLOTS <= units.length; from += SLOTS)
    batches.push(units.slice(from, from + SLOTS).map((unit, slot) => ({ ...unit, slot })));
  return batches;
}

const batches = readBatches();
const { rows, columns } = JSON.parse(batches[0][0].source.content.source.header);
const shape = {
  slots: SLOTS,
  channels: 1,
  rows,
  columns,
  structures: 1,
  imageDtype: dtype,
  maskDtype: 'bool',
};
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const folder = mkdtempSync(join(memory, 'slicefeed-bench-'));
const segment = join(folder, 'segment');
const fd = openSync(segment, 'w');
ftruncateSync(fd, batchLayout(shape).sizeBytes);
closeSync(fd);

const child = mode === '--channel' ? new LoaderChild({ limits, memoryBytes: MEMORY }) : null;
await child?.ready;
const carryOut = (units) => {
  const task = { kind: 'load', segment, shape, recipe, units };
  return child ? child.run(task, 10_000) : load(task, limits);
};

async function run(pairs) {
  let done = 0;
  const startedAt = performance.now();
  for (let at = 0; done < pairs; at++) {
    const outcomes = await carryOut(batches[at % batches.length]);
    if (outcomes.some(({ kind }) => kind !== 'loaded'))
      throw new Error(`not loaded: ${JSON.stringify(outcomes)}`);
    done += outcomes.length;
  }
  return { pairs: done, seconds: (performance.now() - startedAt) / 1000 };
}

try {
  // Warm: what the compiler makes of it while it is new is no figure of a process that lives for days.
  await run(Math.min(Number(count), 1000));
  console.log(JSON.stringify(await run(Number(count))));
} finally {
  child?.kill('closing');
  rmSync(folder, { recursive: true });
}
