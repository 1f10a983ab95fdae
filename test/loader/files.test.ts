import { linkSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readAtRest, type SourceFile, withSourceFile } from '../../src/loader/files.js';
import { temporaryFolder } from '../helper.js';

function makeFile(t: Parameters<typeof temporaryFolder>[0]): { root: string; path: string } {
  const root = temporaryFolder(t);
  const path = join(root, 'a.bin');
  writeFileSync(path, 'before');
  return { root, path };
}

function textOf(file: SourceFile): string {
  const bytes = Buffer.alloc(file.sizeBytes);
  file.read(bytes, 0, bytes.length);
  return bytes.toString();
}

t.test('a file that is touched, written or replaced while it is read is read again', async (t) => {
  const changes: Record<string, [change: (path: string) => void, text: string]> = {
    touched: [(path) => utimesSync(path, 1, 1), 'before'],
    written: [(path) => writeFileSync(path, 'behind'), 'behind'],
    replaced: [
      (path) => {
        writeFileSync(`${path}.new`, 'another');
        renameSync(`${path}.new`, path);
      },
      'another',
    ],
  };
  for (const [name, [change, expected]] of Object.entries(changes)) {
    const { root, path } = makeFile(t);
    let looks = 0;
    const text = readAtRest(root, 'a.bin', (file) => {
      const text = textOf(file);
      if (looks++ === 0) change(path);
      return text;
    });
    t.strictSame([text, looks], [expected, 2], name);
  }
});

t.test('what fails in a file that changes meanwhile is no failure; in one at rest it is', async (t) => {
  const { root, path } = makeFile(t);
  let looks = 0;
  const text = readAtRest(root, 'a.bin', (file) => {
    if (looks++ > 0) return textOf(file);
    utimesSync(path, 1, 1);
    throw new Error('half of it');
  });
  t.strictSame([text, looks], ['before', 2]);
  t.throws(
    () =>
      readAtRest(root, 'a.bin', () => {
        looks++;
        throw new Error('broken');
      }),
    { message: 'broken' },
  );
  t.equal(looks, 3);
});

t.test('a file that is never at rest is given up', async (t) => {
  const { root, path } = makeFile(t);
  let looks = 0;
  const read = readAtRest(root, 'a.bin', () => utimesSync(path, 1, ++looks));
  t.strictSame([read, looks], [null, 3]);
});

t.test('files of equal guards at two places are two files', async (t) => {
  const { root, path } = makeFile(t);
  linkSync(path, join(root, 'b.bin'));
  const [one, other] = ['a.bin', 'b.bin'].map((name) =>
    withSourceFile(root, name, ({ guard, identity }) => ({ guard, identity })),
  );
  t.equal(one!.guard, other!.guard);
  t.not(one!.identity, other!.identity);
  t.equal(
    withSourceFile(root, 'a.bin', ({ identity }) => identity),
    one!.identity,
  );
});
