// Every figure of docs/performance.md: `node run.mjs [--quick | --tiny] [--out FOLDER] [--only GROUP,…] [--without-torch] [--other FILE]`,
// after a build. The page also has the ratios of FILE, the results of a run on the same machine with another Node.
// Prints a table and writes results.json to FOLDER (this one); a full run also makes docs/performance.md and its plot, of the others
// only one with --docs FOLDER. Groups: dataloader, wire, loading, sessions, opening, scan, plot, timeline, profile.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dataloaderFigures } from './figures/dataloader.mjs';
import { gridPoints } from './figures/grid.mjs';
import { loadingFigures } from './figures/loading.mjs';
import { openingFigures } from './figures/opening.mjs';
import { scanFigures } from './figures/scan.mjs';
import { sessionsFigure } from './figures/sessions.mjs';
import { wireFigures } from './figures/wire.mjs';
import { realPairs, repeatStudies, smallPhantom } from './folders.mjs';
import { describeMachine } from './machine.mjs';
import { drawPlot } from './plot.mjs';
import { beside, Lines } from './processes.mjs';
import { profile, profileTables } from './profile.mjs';
import { markdown, textTable } from './report.mjs';
import { Service, SPEC } from './service.mjs';
import { SIZES } from './sizes.mjs';
import { timeline } from './timeline.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
    'without-torch': { type: 'boolean', default: false },
    out: { type: 'string', default: import.meta.dirname },
    docs: { type: 'string' },
    only: { type: 'string' },
    other: { type: 'string' },
  },
});
const sizeName = options.tiny ? 'tiny' : options.quick ? 'quick' : 'full';
const startedAt = performance.now();

function say(text) {
  console.error(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`);
}

/** A service that has given every pair once, its pixels known; shared by the figures of later epochs. */
async function warmService(run) {
  const service = await Service.ready(run.data, run.folder);
  const session = await service.open(SPEC);
  const { path, room, stepsPerEpoch } = session;
  await run.reader.ask({ do: 'read', port: service.port, path, room, first: 0, last: stepsPerEpoch });
  return { service, session, nextStep: stepsPerEpoch };
}

/** Groups of figures, in the order in which they run; those marked `warm` share one service. */
const GROUPS = [
  { name: 'dataloader', figures: dataloaderFigures },
  { name: 'wire', warm: true, figures: wireFigures },
  { name: 'loading', warm: true, figures: loadingFigures },
  { name: 'sessions', warm: true, figures: sessionsFigure },
  { name: 'opening', figures: openingFigures },
  { name: 'scan', figures: scanFigures },
];

async function measure(run) {
  const figures = [];
  for (const { name, warm, figures: measureGroup } of GROUPS) {
    if (!isAsked(name) || (name === 'dataloader' && !run.torch)) continue;
    say(name);
    if (warm && !run.service) Object.assign(run, await warmService(run));
    if (!warm) await run.service?.stop();
    figures.push(...(await measureGroup(run)));
  }
  await run.service?.stop();
  say('plot');
  const points = isAsked('plot') ? await gridPoints(run) : [];
  say('timeline');
  const waits = isAsked('timeline') ? await timeline(run) : [];
  say('profile');
  const { data, folder, reader, size } = run;
  const out = join(folder, 'profiles');
  const { profiledBatches: batches, warmUp } = size;
  const looking = { data, folder, reader, batches, warmUp, kind: 'cpu', out };
  if (!isAsked('profile')) return { figures, points, waits, cost: null, profiles: { first: [], later: [] } };
  const later = await profile(looking);
  const profiles = {
    later: profileTables(later),
    first: profileTables(await profile({ ...looking, first: true })),
  };
  return { figures, points, waits, cost: later.cost, profiles };
}

function isAsked(name) {
  return options.only === undefined || options.only.split(',').includes(name);
}

async function prepare(folder) {
  const size = SIZES[sizeName];
  const real = sizeName === 'tiny' ? null : realPairs();
  const source = real ?? (await smallPhantom(join(folder, 'phantom')));
  const { folder: data, files } = repeatStudies(source, join(folder, 'data'), size.copies);
  const reader = Lines.python('reader.py');
  const peer = Lines.python('peer.py', data, 'i');
  const read = await reader.ask({ do: 'versions' });
  const theirs = await peer.ask({ do: 'versions' });
  const torch = theirs.torch !== null && !options['without-torch'];
  if (!torch && !options['without-torch'])
    throw new Error('the peer needs torch: apt-get install python3-torch, or say --without-torch');
  const machine = describeMachine();
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'));
  return {
    size,
    folder,
    data,
    reader,
    peer,
    torch,
    machine,
    say,
    versions: {
      slicefeed: version,
      node: process.versions.node,
      python: read.python,
      torch: theirs.torch,
      pydicom: theirs.pydicom,
      Pillow: theirs.pillow,
    },
    settings: {
      data: `${theirs.pairs.toLocaleString('en-US')} pairs in ${files.toLocaleString('en-US')} files: ${real ? 'real short-axis images, 256 × 256, 16 bits, one contour each, repeated' : 'a phantom, 256 × 256, 16 bits, repeated'}`,
      service:
        'all settings at their defaults; sessions with batchSize 8 and prefetch 2 (a DataLoader keeps 2 for each worker); a new state folder for each start',
      reader: `Python, one thread, a raw socket read with readinto into two buffers used in turn, torch tensors as views of them; a DataLoader with ${machine.cores} workers that stay`,
      rounds: `${size.rounds}, ${size.batches} batches each against the fixed Buffer, ${size.paced} for the paced reader`,
    },
  };
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'slicefeed-bench-'));
  const clean = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  say(`preparing, ${sizeName}`);
  const run = await prepare(folder);
  const { machine, versions, settings } = run;
  const measured = await measure(run);
  await run.reader.end();
  await run.peer.end();
  const seconds = (performance.now() - startedAt) / 1000;
  const results = { size: sizeName, seconds, machine, versions, settings, ...measured };
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  const docs =
    options.docs ?? (sizeName === 'full' && !options.only ? join(import.meta.dirname, '../docs') : null);
  if (docs !== null) {
    const other = options.other === undefined ? null : JSON.parse(readFileSync(options.other, 'utf8'));
    const notes = readFileSync(beside('notes.md'), 'utf8');
    writeFileSync(join(docs, 'performance.md'), markdown(results, notes, other));
    writeFileSync(join(docs, 'performance.svg'), drawPlot(measured.points));
  }
  console.log(textTable(measured.figures));
  say('done');
}

await main();
