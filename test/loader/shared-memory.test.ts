import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type BatchShape, batchLayout } from '../../src/core/layout.js';
import { ownMemoryBytes } from '../../src/loader/child.js';
import { load } from '../../src/loader/load.js';
import { MappedSegments } from '../../src/loader/segments.js';
import { isInMemory, type SharedMemory, sharedMemory } from '../../src/loader/shared-memory.js';
import { Spool } from '../../src/loader/spool.js';
import { temporaryFolder } from '../helper.js';
import { LIMITS } from './scripted.js';
import { recipe, sealed, writeImage } from './sources.js';

const MIB = 1024 ** 2;
const MEMORY = '/dev/shm';
const memory = sharedMemory();
const without = (process.platform !== 'linux' || !isInMemory(MEMORY)) && 'there is no /dev/shm in memory';
const SHAPE = {
  slots: 3,
  channels: 1,
  rows: 256,
  columns: 128,
  structures: 1,
  imageDtype: 'int16',
  maskDtype: 'bool',
} as const satisfies BatchShape;
const { sizeBytes: BATCH_BYTES } = batchLayout(SHAPE);

function folderInMemory(t: Parameters<typeof temporaryFolder>[0]): string {
  const folder = mkdtempSync(join(MEMORY, 'slicefeed-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

function fileOf(t: Parameters<typeof temporaryFolder>[0]): { path: string; fd: number } {
  const path = join(folderInMemory(t), 'file');
  const fd = openSync(path, 'w+');
  t.teardown(() => closeSync(fd));
  return { path, fd };
}

t.test('what is mapped is the file', { skip: without }, (t) => {
  const { path, fd } = fileOf(t);
  const shared = memory as SharedMemory;
  shared.allocate(fd, MIB);
  const [one, other] = [shared.map(fd, MIB)!, shared.map(fd, MIB)!];
  t.equal(one.length, MIB);
  one.write('from one view', 1000);
  writeSync(fd, Buffer.from('from a write'), 0, 12, 9000);
  t.equal(other.toString('utf8', 1000, 1013), 'from one view');
  t.equal(other.toString('utf8', 9000, 9012), 'from a write');
  t.equal(readFileSync(path).compare(other), 0);
  t.end();
});

t.test('a file is allocated whole or not at all', { skip: without }, (t) => {
  const { path, fd } = fileOf(t);
  const shared = memory as SharedMemory;
  const { blocks, bsize } = statfsSync(MEMORY);
  t.throws(() => shared.allocate(fd, (blocks + 1) * bsize), { code: 'ENOSPC' });
  t.equal(statSync(path).blocks, 0);
  shared.allocate(fd, MIB);
  t.equal(statSync(path).blocks * 512, MIB);
  t.throws(() => shared.allocate(-1, MIB), { code: 'EBADF' });
  t.equal(shared.map(-1, MIB), null, 'what the kernel refuses to map');
  t.end();
});

t.test(
  'memory that is given back is zeros to who still sees it, and room for others',
  { skip: without },
  (t) => {
    const { path, fd } = fileOf(t);
    const shared = memory as SharedMemory;
    shared.allocate(fd, MIB);
    const bytes = shared.map(fd, MIB)!;
    bytes.fill(7);
    shared.free(fd, MIB);
    t.equal(statSync(path).blocks, 0);
    t.equal(bytes[MIB - 1], 0);
    t.end();
  },
);

t.test('a spool in memory shows what a loader put there, without a copy', { skip: without }, (t) => {
  const spool = new Spool(folderInMemory(t), 10 * MIB, memory);
  t.teardown(() => spool.close());
  t.equal(spool.isShared, true);
  const segment = spool.tryTake(MIB)!;
  new MappedSegments(memory as SharedMemory).open(segment.path, MIB)!.fill(9);
  const view = spool.view(segment)!;
  t.equal(view.length, MIB);
  t.equal(view[MIB - 1], 9);
  t.equal(spool.view(segment), view, 'mapped once');
  const copy = Buffer.alloc(3);
  spool.read(segment, MIB - 3, 3, copy);
  t.strictSame([...copy], [9, 9, 9]);
  spool.discard(segment);
  t.equal(view[MIB - 1], 0, 'its memory is free, though it is still seen');
  t.end();
});

t.test('a small segment is not worth it', { skip: without }, (t) => {
  const spool = new Spool(folderInMemory(t), MIB, memory);
  t.teardown(() => spool.close());
  const segment = spool.tryTake(1000)!;
  t.equal(spool.view(segment), null);
  t.equal(new MappedSegments(memory as SharedMemory).open(segment.path, 1000), null);
  t.end();
});

t.test('a spool on a disk is read and written', (t) => {
  const spool = new Spool(temporaryFolder(t), MIB);
  t.teardown(() => spool.close());
  t.equal(spool.isShared, false);
  t.equal(spool.view(spool.tryTake(MIB)!), null);
  t.end();
});

t.test(
  'a loader makes the same bytes either way, of every slot and of runs of them',
  { skip: without },
  async (t) => {
    const shared = new MappedSegments(memory as SharedMemory);
    const folder = temporaryFolder(t);
    const pixels = Uint16Array.from({ length: 256 * 128 }, (_, i) => (i * 7) % 4096);
    const source = writeImage(folder, 'a.dcm', { rows: 256, columns: 128, pixels });
    const polygon = Float64Array.of(10.5, 10.5, 90.5, 20.5, 60.5, 200.5);
    const extents = [{ regions: [[polygon]], rasters: [] }];
    const units = [0, 1, 2].map((slot) => ({
      slot,
      place: 5 + slot,
      source: slot === 1 ? null : sealed({ source, extents }),
    }));
    const bytes: Buffer[] = [];
    for (const segments of [null, shared]) {
      const spool = new Spool(folderInMemory(t), MIB, memory);
      t.teardown(() => spool.close());
      const segment = spool.tryTake(BATCH_BYTES + 4096)!;
      writeSync(segment.fd, Buffer.alloc(segment.sizeBytes, 3));
      for (const run of [units.slice(0, 1), units.slice(1)]) {
        const task = {
          kind: 'load',
          segment: segment.path,
          shape: SHAPE,
          recipe: recipe(),
          units: run,
        } as const;
        await load(task, LIMITS, null, undefined, segments);
      }
      bytes.push(readFileSync(segment.path));
    }
    t.equal(bytes[0]!.compare(bytes[1]!), 0);
    t.equal(bytes[0]!.subarray(0, BATCH_BYTES).includes(1), true);
    t.equal(bytes[0]![BATCH_BYTES], 3, 'nothing behind the batch is touched');
  },
);

t.test('a segment without room is an error to be answered', { skip: without }, (t) => {
  const path = join(folderInMemory(t), 'segment');
  const fd = openSync(path, 'w+');
  const { blocks, bsize } = statfsSync(MEMORY);
  const far = (blocks + 1) * bsize;
  writeSync(fd, Buffer.of(1), 0, 1, far);
  closeSync(fd);
  t.throws(() => new MappedSegments(memory as SharedMemory).open(path, MIB), { code: 'ENOSPC' });
  t.end();
});

t.test('segments that a loader has mapped are no memory of its own', (t) => {
  const status = 'VmPeak:\t  900000 kB\nVmRSS:\t  300000 kB\nRssAnon:\t   80000 kB\nRssShmem:\t  200000 kB\n';
  t.equal(ownMemoryBytes(status), 100_000 * 1024);
  t.equal(ownMemoryBytes('VmRSS:\t  300 kB\n'), 300 * 1024, 'a kernel that does not tell them apart');
  t.end();
});

t.test('nothing of it is left', { skip: without }, (t) => {
  const spool = new Spool(folderInMemory(t), MIB, memory);
  const folder = spool.folder;
  spool.give(spool.tryTake(MIB)!);
  spool.close();
  t.throws(() => readdirSync(folder), { code: 'ENOENT' });
  t.end();
});
