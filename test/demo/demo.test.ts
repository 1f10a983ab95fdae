import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { decode } from 'fast-png';
import t from 'tap';
import { runDemo } from '../../src/demo/demo.js';
import { temporaryFolder } from '../helper.js';

const FIXTURE = fileURLToPath(new URL('./fixtures/small-demo.js', import.meta.url));

interface Ended {
  readonly results: string;
  readonly progress: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Runs the demo in a process of its own; `onProgress` is given its stderr as it comes. */
async function run(
  within: string,
  step: 'nothing' | 'spoil' | 'hold',
  onProgress: (child: ChildProcess, told: string) => void = () => {},
): Promise<Ended> {
  // The test runner hooks into every Node it starts, its signals too; this one is to die as it would by itself.
  const bare = ['-u', 'NODE_OPTIONS', process.execPath];
  const child = spawn('env', [...bare, FIXTURE, within, step], { stdio: ['ignore', 'pipe', 'pipe'] });
  let progress = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    progress += part;
    onProgress(child, progress);
  });
  const [results, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return { results, progress, code, signal };
}

function onlyFolder(within: string): string {
  const [name, ...others] = readdirSync(within);
  t.same(others, []);
  return join(within, name!);
}

async function answers(progress: string): Promise<boolean> {
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(progress)![0];
  return fetch(`${url}/livez`).then(
    () => true,
    () => false,
  );
}

t.test('the demo reads an epoch that agrees with its phantom, shows it, and stops its service', async (t) => {
  const within = temporaryFolder(t);
  const { results, progress, code } = await run(within, 'nothing');
  t.equal(code, 0, progress);
  const folder = onlyFolder(within);
  t.same(readdirSync(folder).sort(), ['data', 'first-batch.png', 'service.log']);
  const outer = readdirSync(join(folder, 'data', 'contourfiles')).flatMap((study) =>
    readdirSync(join(folder, 'data', 'contourfiles', study, 'o-contours')),
  );
  t.equal(outer.length, 6, 'only images at end-diastole carry both structures');
  t.match(results, /^ {2}pairs {2,}6$/m);
  t.match(results, /^ {2}warm hits {2,}[0-2] of 2$/m);
  t.match(results, /ok +pairs +6 of 6, each exactly once\n/);
  t.match(results, /ok +images +6 equal/);
  t.match(results, /ok +masks +12 equal/);
  t.match(results, /ok +waits +/);
  t.notMatch(results, 'FAILED');
  const table = results.split('\n\n').find((part) => part.startsWith('One epoch'))!;
  t.equal(
    new Set(
      table
        .split('\n')
        .slice(1)
        .map(({ length }) => length),
    ).size,
    1,
    'the table lines up',
  );

  t.match(results, `  ${join(folder, 'first-batch.png')}\n`);
  const { width, height } = decode(readFileSync(join(folder, 'first-batch.png')));
  t.ok(
    width >= 2 * 200 && height >= 2 * 240,
    `a sheet of ${width} × ${height} holds two rows of two images of 200 × 240`,
  );
  t.match(results, `npm start -- --data ${join(folder, 'data')}\n`);
  t.match(results, '/v1/studies/PHANTOM001/pairs/1/overlay.png');
  t.match(progress, /^session +\S+: 6 pairs in 2 steps of 4, structures i and o$/m);
  t.notMatch(progress, '\r', 'no line is redrawn where there is no terminal');
  t.equal(await answers(progress), false, 'the service is gone');
});

t.test('one wrong pixel of one mask fails the demo, by name', async (t) => {
  const within = temporaryFolder(t);
  const { results, code } = await run(within, 'spoil');
  t.equal(code, 1);
  t.match(results, /FAILED +masks +1 not the even-odd fill of the contour: PHANTOM00\d\/\d i \(1 px\)\n/);
  t.match(results, /ok +pairs +6 of 6/);
  t.match(results, `The demo failed: masks. Data, picture and service.log stay in ${onlyFolder(within)}\n`);
});

t.test('Ctrl-C, also twice, stops the service and takes the folder away', async (t) => {
  const within = temporaryFolder(t);
  const { results, progress, signal } = await run(within, 'hold', (child, told) => {
    if (!told.endsWith('training\n')) return;
    child.kill('SIGINT');
    child.kill('SIGINT');
  });
  t.equal(signal, 'SIGINT');
  t.equal(results, '');
  t.match(progress, /\nstopping +the service is told to close\nstopped; nothing is left running\n$/);
  t.same(readdirSync(within), []);
  t.equal(await answers(progress), false, 'the service is gone');
});

t.test('a service that cannot start is told with the end of its log', async (t) => {
  const within = temporaryFolder(t);
  const before = process.env.NODE_OPTIONS;
  t.teardown(() => {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  });
  process.env.NODE_OPTIONS = '--require=./there-is-no-such-file.cjs';
  let progress = '';
  const options = {
    phantom: { studies: 1, slices: 1, phases: 1, rows: 32, columns: 32 },
    within,
    screen: { write: (part: string) => (progress += part) },
  };
  await t.rejects(runDemo(options, new AbortController().signal), {
    message:
      /^the service ended with exit code 1; its log .*service\.log ends with\n.*there-is-no-such-file/s,
  });
  t.match(progress, `what was made stays in ${onlyFolder(within)}\n`);
  t.ok(existsSync(join(onlyFolder(within), 'data', 'link.csv')));
});
