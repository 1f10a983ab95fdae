import t from 'tap';
import type { ScanProgress } from '../src/catalog/scan.js';
import { tellOfScan } from '../src/scan-telling.js';
import { memoryLog } from './loader/scripted.js';

const READING: ScanProgress = { state: 'reading', files: 2000, toRead: 1500, read: 750, studies: 0 };

t.test('on a terminal a scan is a bar that goes away at its end', async (t) => {
  const { log, lines } = memoryLog();
  const written: string[] = [];
  let drawn = () => {};
  const first = new Promise<void>((resolve) => {
    drawn = resolve;
  });
  const screen = {
    isTTY: true,
    columns: 60,
    write(text: string) {
      written.push(text);
      drawn();
    },
  };
  const stop = tellOfScan(READING, log, screen);
  await first;
  stop();
  t.equal(written[0], `\r\x1b[2KScan      ${'█'.repeat(12)}${'░'.repeat(12)} 750 of 1,500 files read\r`);
  t.equal(written.at(-1), '\r\x1b[2K\r');
  t.strictSame(lines, []);
});

t.test('elsewhere nothing is written but the log', async (t) => {
  const { log, lines } = memoryLog();
  for (const screen of [null, { write: () => t.fail('no terminal') }]) tellOfScan(READING, log, screen)();
  t.strictSame(lines, []);
});
