import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';

const HERE = new URL('./', import.meta.url);

/** What the runner leaves to those who run folders together. */
function excluded(): string[] {
  const [, names] =
    /^ {2}- dist\/test\/\{([a-z,]+)\}\/\*\.test\.js$/m.exec(readFileSync('.taprc', 'utf8')) ?? [];
  return names!.split(',');
}

t.test('every folder that the runner leaves out is run by exactly one file', async (t) => {
  const run = readdirSync(HERE)
    .filter((name) => name.endsWith('.test.js') && name !== 'together.test.js')
    .flatMap((name) => {
      const [, folders] =
        /^await runTogether\((.*)\);$/m.exec(readFileSync(new URL(name, HERE), 'utf8')) ?? [];
      return folders?.match(/[a-z]+/g) ?? [];
    });
  t.strictSame(run.sort(), excluded().sort());
});
