import t from 'tap';
import { scanTasks } from '../../src/catalog/scan-tasks.js';
import { scanDeadlineMs } from '../../src/loader/deadline.js';

const MIB = 1024 * 1024;
const files = (...mebibytes: number[]) => mebibytes.map((size) => ({ sizeBytes: size * MIB }));

t.test('a scan of large files has more time: a second for every 4 MiB, up to a bound', async (t) => {
  t.equal(scanDeadlineMs(10_000, []), 10_000);
  t.equal(scanDeadlineMs(10_000, files(4, 8)), 13_000);
  t.equal(scanDeadlineMs(10_000, files(176)), 54_000);
  t.equal(scanDeadlineMs(10_000, files(2048)), 138_000);
});

t.test('a large file is a task of its own, small ones go together in order', async (t) => {
  const tasks = scanTasks(files(1, 100, 1, 10, 6, 1, ...Array.from({ length: 40 }, () => 0)));
  t.strictSame(
    tasks.map((task) => task.map(({ sizeBytes }) => sizeBytes / MIB)),
    [
      [1],
      [100],
      [1, 10],
      [6, 1, ...Array.from({ length: 30 }, () => 0)],
      Array.from({ length: 10 }, () => 0),
    ],
  );
});
