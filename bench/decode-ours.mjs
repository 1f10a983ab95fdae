// Decodes files as a loader does, header and all: one JSON command a line on stdin, {"path", "forMs"}, one answer a line: how many
// decodes there were a second of processor time, of all threads, and a second of the clock.
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { withSourceFile } from '../dist/src/loader/files.js';
import { framePlaces, openImage, readPlaces } from '../dist/src/loader/image.js';
import { loaderLimits } from '../dist/src/loader/limits.js';
import { decodeFrame } from '../dist/src/loader/read-frame.js';

const limits = loaderLimits(2 ** 30);

/** The first frame's stored values, from nothing but the file. */
function decode(path) {
  const { header, bytes } = withSourceFile(dirname(path), basename(path), (file) => {
    const { header, data, problem } = openImage(file, limits);
    if (problem) throw new Error(problem.detail);
    return { header, bytes: readPlaces(data, framePlaces(data, header, 0), limits) };
  });
  return decodeFrame(bytes, header, 0);
}

for await (const line of createInterface(process.stdin)) {
  const { path, forMs } = JSON.parse(line);
  let count = 0;
  const usedBefore = process.cpuUsage();
  const startedAt = performance.now();
  while (performance.now() - startedAt < forMs) {
    await decode(path);
    count += 1;
  }
  const { user, system } = process.cpuUsage(usedBefore);
  const rate = (1e6 * count) / (user + system);
  console.log(JSON.stringify({ rate, clockRate: (1000 * count) / (performance.now() - startedAt) }));
}
