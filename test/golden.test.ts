import { readFileSync } from 'node:fs';
import t from 'tap';
import { GOLDEN_FILE, linesOf } from './golden/bodies.js';
import { GOLDEN } from './golden/specs.js';

const held = readFileSync(GOLDEN_FILE, 'utf8').trimEnd().split('\n').slice(1);

t.test('every golden session has one line, and every line its session', async (t) => {
  const names = Object.entries(GOLDEN).flatMap(([source, specs]) =>
    specs.map(({ name }) => `${source}\t${name}`),
  );
  t.strictSame(
    held.map((line) => line.split('\t').slice(0, 2).join('\t')),
    names,
  );
  t.equal(new Set(names).size, names.length);
});

for (const source of Object.keys(GOLDEN))
  t.test(`sessions over ${source} give the golden bytes`, async (t) => {
    const lines = await linesOf(t, source);
    if (lines === null) {
      t.equal(process.env.CI, undefined, 'the shared data is there in CI');
      t.comment(`skipped: the folder ${source} of the shared data is not there; set SLICEFEED_TEST_DATA`);
      return;
    }
    t.strictSame(
      lines,
      held.filter((line) => line.startsWith(`${source}\t`)),
      'the bytes of existing sessions would change',
    );
  });
