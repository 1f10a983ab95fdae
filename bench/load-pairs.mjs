// Loads pairs the way a loader child does, `node load-pairs.mjs STATE DATA STRUCTURE DTYPE PAIRS [--channel]`: batches of 8 into one
// segment in memory, by what the catalogue in STATE knows of them. In this process alone, which is what one core does; with --channel in a
// child, one task after the other through its channel. Prints a JSON line.
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { batchLayout } from '../dist/src/core/layout.js';
import { LoaderChild } from '../dist/src/loader/child.js';
import { load } from '../dist/src/loader/load.js';
import { LIMITS, LOADER_MEMORY, readBatches, recipeOf } from './batches.mjs';

const [state, root, structure, dtype, count, mode] = process.argv.slice(2);
const recipe = recipeOf(dtype);
const { batches, shape } = readBatches(state, root, structure, dtype);
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const folder = mkdtempSync(join(memory, 'slicefeed-bench-'));
const segment = join(folder, 'segment');
const fd = openSync(segment, 'w');
ftruncateSync(fd, batchLayout(shape).sizeBytes);
closeSync(fd);

const child = mode === '--channel' ? new LoaderChild({ limits: LIMITS, memoryBytes: LOADER_MEMORY }) : null;
await child?.ready;
const carryOut = (units) => {
  const task = { kind: 'load', segment, shape, recipe, units };
  return child ? child.run(task, 10_000) : load(task, LIMITS);
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
