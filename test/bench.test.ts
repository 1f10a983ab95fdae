import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { coreLimit } from '../src/machine.js';
import { hasPython, withoutPython } from './python.js';

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

interface Figure {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly anchorTitle: string;
  readonly value: Spread;
  readonly anchor: Spread;
  readonly ratio: Spread;
}

interface Share {
  readonly us: number;
  readonly ratio: number;
}

interface Queued {
  readonly server: number;
  readonly reader: number;
}

interface Results {
  readonly figures: readonly Figure[];
  readonly points: readonly { side: number; batchSize: number; ours: number; theirs: number | null }[];
  readonly waits: readonly {
    where: string;
    servers: readonly {
      title: string;
      phasesUs: readonly number[];
      p50: Share;
      p99: Share;
      queuedUs: Queued;
    }[];
  }[];
  readonly cost: Readonly<Record<string, readonly { name: string }[]>>;
  readonly profiles: Readonly<
    Record<'first' | 'later', readonly { process: string; own: readonly { place: string }[] }[]>
  >;
}

const WITH_TORCH = [
  'first-epoch',
  'first-epoch-asked',
  'first-epoch-floor',
  'new-studies',
  'later-epochs',
  'later-epochs-asked',
  'later-epochs-floor',
];
const ALONE = [
  'megabytes',
  'megabytes-floor',
  'stream',
  'wait-p50',
  'wait-p50-floor',
  'wait-p50-ahead',
  'wait-p50-stream',
  'wait-p99',
  'wait-p99-floor',
  'wait-p99-ahead',
  'wait-p99-stream',
  'wait-busy',
  'load',
  'load-channel',
  'sessions',
  'opening',
  'opening-memory',
  'opening-first',
  'scan',
  'scan-again',
];

/** Runs the benchmark in its smallest size; the folder then holds its results and its page. */
async function runBench(folder: string, ...options: string[]): Promise<{ results: Results; table: string }> {
  const args = ['bench/run.mjs', '--tiny', '--out', folder, '--docs', folder, ...options];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let table = '';
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    table += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the benchmark ended with ${code}:\n${told}`);
  return { results: JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')), table };
}

function expectFigures(t: Pick<Test, 'ok'>, figures: readonly Figure[], table: string): void {
  for (const { id, title, value, anchor, ratio } of figures) {
    t.ok([value, anchor, ratio].every(isSpread), `${id} has a value, an anchor and a ratio`);
    t.ok(value.min > 0 && anchor.min > 0, `${id} is a positive figure`);
    t.ok(table.includes(title), `${id} stands in the table for people`);
  }
}

function isSpread({ median, min, max }: Spread): boolean {
  return [median, min, max].every(Number.isFinite) && min <= median && median <= max;
}

const torch = hasPython('torch');
const missing =
  withoutPython('pydicom', 'python3-pydicom') ||
  withoutPython('PIL', 'python3-pil') ||
  withoutPython('numpy', 'python3-numpy');

const folder = missing ? '' : t.testdir();
const run = missing ? null : await runBench(folder, ...(torch ? [] : ['--without-torch']));

t.test('the scripts of the benchmark run and give every figure', { skip: missing }, async (t) => {
  const { results, table } = run!;
  const figures = results.figures.filter(({ id }) => !WITH_TORCH.includes(id));
  t.strictSame(
    figures.map(({ id }) => id),
    ALONE,
  );
  expectFigures(t, figures, table);
  t.strictSame(
    results.points.map(({ side, batchSize, ours }) => [side, batchSize, ours > 0]),
    [
      [32, 1, true],
      [32, 2, true],
    ],
    'the plot has a point for each size',
  );
});

t.test(
  'the scripts of the benchmark give the figures beside a DataLoader',
  { skip: missing || (torch ? false : "Python's torch is missing: apt-get install python3-torch") },
  async (t) => {
    const { results, table } = run!;
    const figures = results.figures.filter(({ id }) => WITH_TORCH.includes(id));
    t.strictSame(
      figures.map(({ id }) => id),
      WITH_TORCH,
    );
    expectFigures(t, figures, table);
    t.ok(
      results.points.every(({ theirs }) => theirs !== null && theirs > 0),
      'the plot has its points too',
    );
  },
);

t.test('the benchmark profiles service and loader and says where time goes', { skip: missing }, async (t) => {
  const { profiles, cost } = run!.results;
  for (const tables of [profiles.first, profiles.later]) {
    t.strictSame(
      tables.map(({ process }) => process),
      ['service', 'loader'],
    );
    for (const { process, own } of tables) t.ok(own.length > 0, process);
  }
  const names = Object.entries(cost).map(([what, rows]) => [what, rows.map(({ name }) => name)]);
  const own = ['service', 'loaders', 'reader'];
  t.strictSame(names, [
    ['first', own],
    ['later', own],
    ['fixed', ['server of the fixed Buffer', 'its reader']],
  ]);
});

t.test('the benchmark says where a wait goes, of three servers', { skip: missing }, async (t) => {
  const { waits } = run!.results;
  const places = ['where the system puts them', 'on one core', 'on a core each'];
  t.strictSame(
    waits.map(({ where }) => where),
    coreLimit() > 1 ? places : places.slice(0, 1),
  );
  for (const { where, servers } of waits) {
    t.strictSame(
      servers.map(({ title }) => title),
      ['slicefeed', 'the barest server', 'the fixed Buffer'],
    );
    for (const { title, phasesUs, p50, p99, queuedUs } of servers) {
      const [request, write, sent] = phasesUs as [number, number, number];
      t.ok(
        request >= 0 && write >= 0 && sent >= 0,
        `${title} ${where}: nothing comes before what it follows`,
      );
      t.ok(
        p50.us > 0 && p50.us <= p99.us,
        `${title} ${where}: the longest waits are no shorter than the others`,
      );
      t.ok(queuedUs.server >= 0 && queuedUs.reader >= 0, `${title} ${where}: time in line is counted`);
    }
    const { p50, p99 } = servers[2]!;
    t.strictSame([p50.ratio, p99.ratio], [1, 1], 'the Buffer is beside itself');
  }
});

t.test('the benchmark makes a page with every figure, and a plot', { skip: missing }, async (t) => {
  const page = readFileSync(join(folder, 'performance.md'), 'utf8');
  for (const { title } of run!.results.figures) t.ok(page.includes(title), title);
  const plot = readFileSync(join(folder, 'performance.svg'), 'utf8');
  t.match(plot, /^<svg .*<polyline .*<\/svg>\n$/s);
});

t.test('a ratio is that to the mean of the two anchors around it', async (t) => {
  const { besides } = await import(pathToFileURL('bench/rounds.mjs').href);
  const runs = [
    { before: { rate: 10 }, value: { mine: 30 }, after: { rate: 20 } },
    { before: { rate: 4 }, value: { mine: 4 }, after: { rate: 4 } },
    { before: { rate: 6 }, value: { mine: 15 }, after: { rate: 4 } },
  ];
  t.strictSame(besides(runs, 'mine', 'rate'), {
    value: { median: 15, min: 4, max: 30 },
    anchor: { median: 5, min: 4, max: 20 },
    ratio: { median: 2, min: 1, max: 3 },
    aa: { median: 1, min: 4 / 6, max: 2 },
  });
});

t.test('a share between two values lies between them', async (t) => {
  const { quantile } = await import(pathToFileURL('bench/rounds.mjs').href);
  t.equal(quantile([3, 1, 2], 0.5), 2);
  t.equal(quantile([4, 1, 2, 3], 0.5), 2.5);
  t.equal(quantile([10, 20], 0.9), 19);
  t.equal(quantile([7], 0.99), 7);
});
