import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { temporaryFolder } from './helper.js';

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

t.test('no file that is run with others waits for a test of its own while it is read', async (t) => {
  for (const folder of excluded())
    for (const name of readdirSync(new URL(`${folder}/`, HERE)).filter((file) => file.endsWith('.test.js')))
      t.notMatch(
        readFileSync(new URL(`${folder}/${name}`, HERE), 'utf8'),
        /^(?:.*= )?await t\.test\(/m,
        name,
      );
});

t.test('a file that takes longer to start than the tests before it keeps what it started', async (t) => {
  const folder = temporaryFolder(t);
  const tap = import.meta.resolve('tap');
  const write = (name: string, ...lines: string[]) => {
    const path = join(folder, name);
    writeFileSync(path, [`import t from '${tap}';`, ...lines, ''].join('\n'));
    return pathToFileURL(path).href;
  };
  const pause = (ms: number) => `await new Promise((resolve) => setTimeout(resolve, ${ms}));`;
  const quick = write('quick.js', `t.test('quick', async (t) => { ${pause(50)} t.pass(); });`);
  const slow = write(
    'slow.js',
    'let isThere = true;',
    't.teardown(() => { isThere = false; });',
    pause(300),
    "t.test('slow', async (t) => t.ok(isThere));",
  );
  const main = write(
    'main.js',
    `import { runFiles } from '${new URL('./together.js', import.meta.url)}';`,
    `await runFiles([new URL('${quick}'), new URL('${slow}')]);`,
  );
  const { stdout, status } = spawnSync(process.execPath, [new URL(main).pathname], { encoding: 'utf8' });
  t.equal(status, 0, stdout);
  t.match(stdout, /^ok \d - slow #/m);
});
