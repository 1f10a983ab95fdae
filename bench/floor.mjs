// The barest server of this design, `node floor.mjs STATE DATA STRUCTURE DTYPE`: node:http alone, one loader child that loads two batches
// ahead into shared memory, a record in a journal before the end of a batch leaves. No route, no check, no session, no log; everything that the
// catalogue in STATE knows is looked up before the first request. GET /N is batch N, GET /N-M the batches from N up to, not with, M in one answer.
// Prints its port as a JSON line.
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { batchLayout } from '../dist/src/core/layout.js';
import { Journal } from '../dist/src/journal.js';
import { LoaderChild } from '../dist/src/loader/child.js';
import { sharedMemory } from '../dist/src/loader/shared-memory.js';
import { safetensorsBody } from '../dist/src/wire/safetensors.js';
import { LIMITS, LOADER_MEMORY, readBatches, recipeOf } from './batches.mjs';

const AHEAD = 2;
/** As the service holds back of a body. */
const LAST_BYTES = 64 * 1024;
const SETTLED_TOGETHER = 50;

const [state, root, structure, dtype] = process.argv.slice(2);
const { batches, shape } = readBatches(state, root, structure, dtype);
const layout = batchLayout(shape);
const recipe = recipeOf(dtype);
const folder = mkdtempSync('/dev/shm/slicefeed-floor-');
const written = mkdtempSync(join(tmpdir(), 'slicefeed-floor-'));
process.once('exit', () => {
  for (const each of [folder, written]) rmSync(each, { recursive: true });
});
process.once('SIGTERM', () => process.exit());

const journal = new Journal(join(written, 'deliveries'));

const memory = sharedMemory();
const child = new LoaderChild({ limits: LIMITS, memoryBytes: LOADER_MEMORY, sharesSegments: true });
await child.ready;

const headers = batches.map((units) => {
  const pairIds = units.map(({ source }) => source.content.source.path);
  const of = { snapshot: '', specDigest: '', bytesVersion: '0', step: 0, epoch: 0, rank: 0 };
  const metadata = { ...of, pairIds, structures: [structure], rule: recipe.rule, problems: [] };
  return safetensorsBody(layout, metadata).pieces[0];
});

const free = Array.from({ length: AHEAD + 2 }, (_, at) => {
  const path = join(folder, String(at));
  const fd = openSync(path, 'wx+');
  ftruncateSync(fd, layout.sizeBytes);
  memory.allocate(fd, layout.sizeBytes);
  const bytes = memory.map(fd, layout.sizeBytes);
  closeSync(fd);
  return { path, bytes };
});

const warm = new Map();
let line = Promise.resolve();

function ready(step) {
  const known = warm.get(step);
  if (known) return known;
  const segment = free.pop();
  const units = batches[step % batches.length];
  line = line.then(() =>
    child.run({ kind: 'load', segment: segment.path, shape, recipe, units }, 10_000, 'calm'),
  );
  const batch = line.then(() => segment);
  warm.set(step, batch);
  return batch;
}

/** The segment of a step, when it is loaded; what follows it is begun. */
async function take(step) {
  const asked = ready(step);
  for (let ahead = 1; ahead <= AHEAD; ahead++) ready(step + ahead);
  const segment = await asked;
  warm.delete(step);
  return segment;
}

/** Writes a batch but its last `kept` bytes, `before` it, and records it; answers those. */
async function write(response, step, { bytes }, before, kept) {
  const { socket } = response;
  socket.cork();
  response.cork();
  if (before) response.write(before);
  response.write(headers[step % batches.length]);
  const left = new Promise((resolve) => {
    response.write(bytes.subarray(0, -kept), resolve);
  });
  response.uncork();
  socket.uncork();
  await left;
  journal.append({ rank: 0, step });
  if (step % SETTLED_TOGETHER === 0) journal.clear();
  return bytes.subarray(-kept);
}

const server = createServer(async (request, response) => {
  const [first, end = first + 1] = request.url.slice(1).split('-').map(Number);
  let before = null;
  for (let step = first; step < end; step++) {
    const segment = await take(step);
    if (step === first) response.writeHead(200, { 'content-type': 'application/x-safetensors' });
    const isLast = step === end - 1;
    const rest = await write(response, step, segment, before, isLast ? LAST_BYTES : 1);
    if (isLast) response.end(rest, () => free.push(segment));
    else {
      before = Buffer.from(rest);
      free.push(segment);
    }
  }
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
