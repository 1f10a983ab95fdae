// The anchor of the scan, in one process: `node walk.mjs FOLDER [--status]`. Walks the folder and reads of each image the first
// 64 KiB, of each other file all of it, which is what a scan reads; with --status it only looks at each file's status, which is what
// a scan does of files that it knows. Prints a JSON line.
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [folder, mode] = process.argv.slice(2);
const buffer = Buffer.alloc(1 << 20);
let files = 0;

function read(path) {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  readSync(fd, buffer, 0, Math.min(size, path.endsWith('.dcm') ? 65_536 : buffer.length), 0);
  closeSync(fd);
}

function walk(path) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) walk(below);
    else {
      files++;
      if (mode === '--status') statSync(below, { bigint: true });
      else read(below);
    }
  }
}

const startedAt = performance.now();
walk(folder);
console.log(JSON.stringify({ files, seconds: (performance.now() - startedAt) / 1000 }));
