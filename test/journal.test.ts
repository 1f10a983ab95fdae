import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Journal } from '../src/journal.js';
import { isDelivered } from '../src/sessions/store.js';
import { temporaryFolder } from './helper.js';

const any = () => true;

t.test('what was appended is there for who opens it next, oldest first', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const journal = new Journal<unknown>(path, any);
  t.strictSame(journal.read(), []);
  for (const entry of [{ a: 1 }, 'zwölf', ['two\nlines']]) journal.append(entry);
  t.strictSame(new Journal(path, any).read(), [{ a: 1 }, 'zwölf', ['two\nlines']]);
  journal.clear();
  t.strictSame(new Journal(path, any).read(), []);
  journal.append(2);
  t.strictSame(new Journal(path, any).read(), [2]);
});

t.test('a line that a process did not finish is none, and the next one stands by itself', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  new Journal(path, any).append({ whole: 'ö' });
  const whole = readFileSync(path);
  for (const torn of ['{', '{"whole":1}', whole.subarray(0, -3)]) {
    writeFileSync(path, whole);
    appendFileSync(path, torn);
    const next = new Journal(path, any);
    next.append(2);
    t.strictSame(next.read(), [{ whole: 'ö' }, 2]);
  }
});

t.test('it is for its user alone, and leaves no file behind where nothing is left in it', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const journal = new Journal(path, any);
  t.equal(statSync(path).mode & 0o777, 0o600);
  journal.append(1);
  journal.close();
  t.strictSame(new Journal(path, any).read(), [1]);
  const next = new Journal(path, any);
  next.clear();
  next.close();
  t.notOk(existsSync(path));
});

t.test('lines that are no entries are set aside, the others are kept', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const bad = [
    Buffer.from('{"n": 1'),
    Buffer.alloc(20),
    Buffer.from('"two"'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from(''),
  ];
  const lines = [Buffer.from('{"n":1}'), ...bad, Buffer.from('{"n":2}')];
  writeFileSync(
    path,
    Buffer.concat([...lines.flatMap((line) => [line, Buffer.from('\n')]), Buffer.from('{"n":')]),
  );
  const isEntry = (value: unknown) => typeof (value as { n?: unknown } | null)?.n === 'number';
  const journal = new Journal(path, isEntry);
  t.equal(journal.setAside, 5);
  journal.append({ n: 3 });
  t.strictSame(journal.read(), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  t.equal(new Journal(path, isEntry).setAside, 0, 'once');
  const damaged = readFileSync(`${path}.damaged`);
  t.strictSame(damaged, Buffer.concat(bad.flatMap((line) => [line, Buffer.from('\n')])));
  t.equal(statSync(`${path}.damaged`).mode & 0o777, 0o600);
});

t.test('isDelivered tells deliveries from other values', async (t) => {
  const good = { incarnation: 5, rank: 0, step: 3, movesCursor: true };
  for (const value of [good, { ...good, incarnation: undefined, id: 'of format 8' }])
    t.ok(isDelivered(value));
  const bad = [null, 1, 'x', [], {}, { ...good, rank: -1 }, { ...good, step: 1.5 }, { ...good, step: '3' }];
  for (const value of [...bad, { ...good, movesCursor: 1 }, { ...good, incarnation: 'x' }])
    t.notOk(isDelivered(value), JSON.stringify(value));
});
