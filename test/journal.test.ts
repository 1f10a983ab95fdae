import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Journal } from '../src/journal.js';
import { temporaryFolder } from './helper.js';

t.test('what was appended is there for who opens it next, oldest first', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const journal = new Journal<unknown>(path);
  t.strictSame(journal.read(), []);
  for (const entry of [{ a: 1 }, 'zwölf', ['two\nlines']]) journal.append(entry);
  t.strictSame(new Journal(path).read(), [{ a: 1 }, 'zwölf', ['two\nlines']]);
  journal.clear();
  t.strictSame(new Journal(path).read(), []);
  journal.append(2);
  t.strictSame(new Journal(path).read(), [2]);
});

t.test('a line that a process did not finish is none, and the next one stands by itself', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  new Journal(path).append({ whole: 'ö' });
  const whole = readFileSync(path);
  for (const torn of ['{', '{"whole":1}', whole.subarray(0, -3)]) {
    writeFileSync(path, whole);
    appendFileSync(path, torn);
    const next = new Journal(path);
    next.append(2);
    t.strictSame(next.read(), [{ whole: 'ö' }, 2]);
  }
});

t.test('it is for its user alone, and leaves no file behind where nothing is left in it', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const journal = new Journal(path);
  t.equal(statSync(path).mode & 0o777, 0o600);
  journal.append(1);
  journal.close();
  t.strictSame(new Journal(path).read(), [1]);
  const next = new Journal(path);
  next.clear();
  next.close();
  t.notOk(existsSync(path));
});
