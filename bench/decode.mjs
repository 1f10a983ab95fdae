// How fast files are decoded, by processor time, side by side with pydicom and its plugins: `npm run bench:decode [-- --quick] [--out FILE]`.
// Prints a table; a full run writes docs/performance-decode.md. PYLIBJPEG names another Python that has a pydicom and plugins
// (one of a virtual environment: `pip install pydicom pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg pylibjpeg-rle pyjpegls`), which is then
// compared with as well.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KINDS } from './decode-kinds.mjs';
import { describeMachine } from './machine.mjs';
import { Lines, PYTHON, runNode } from './processes.mjs';
import { short } from './report.mjs';
import { besides, interleave } from './rounds.mjs';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, out: { type: 'string' } },
});
const [ROUNDS, FOR_MS] = values.quick ? [3, 60] : [7, 150];
const data = process.env.SLICEFEED_TEST_DATA ?? join(import.meta.dirname, '../../shared/data');
if (!existsSync(data)) throw new Error(`the files that are decoded are not there: ${data}`);

/** The name of a figure by the clock, beside that of processor time. */
const byClock = (name) => `${name} by the clock`;

/** Each file's decodes a second, in turn; those that a peer does not read are left out of its comparison. */
async function turn(lines, files) {
  const rates = {};
  for (const path of files) {
    const { rate, clockRate } = await lines.ask({ path: join(data, path), forMs: FOR_MS });
    rates[path] = rate;
    rates[byClock(path)] = clockRate;
  }
  return rates;
}

/** A kind's rate: decodes a second of all its files, one after the other. */
function withKinds(rates, kinds) {
  const sums = kinds.flatMap(({ title, files }) =>
    [(name) => name, byClock].map((named) => [
      named(title),
      files.length / files.reduce((sum, path) => sum + 1 / rates[named(path)], 0),
    ]),
  );
  return { ...rates, ...Object.fromEntries(sums) };
}

async function compare(peer) {
  const ours = new Lines(process.execPath, [join(import.meta.dirname, 'decode-ours.mjs')]);
  try {
    const versions = await peer.ask({ versions: true });
    const all = KINDS.flatMap(({ files }) => files);
    // The first turn of each is warm-up, and tells what the peer reads.
    const readable = await turn(peer, all);
    await turn(ours, all);
    const kinds = KINDS.map((kind) => ({
      ...kind,
      files: kind.files.filter((path) => readable[path] !== null),
    }));
    const compared = kinds.filter(({ files }) => files.length > 0);
    const files = compared.flatMap((kind) => kind.files);
    const once = async (lines) => withKinds(await turn(lines, files), compared);
    const runs = await interleave(
      ROUNDS,
      () => once(peer),
      () => once(ours),
    );
    return { versions, kinds: compared, runs };
  } finally {
    await ours.end();
    await peer.end();
  }
}

const range = ({ median, min, max }) => `${short(median)} (${short(min)}–${short(max)})`;

function rowsOf({ kinds, runs }) {
  const row = (name, title, goal) => {
    const { value, anchor, ratio, aa } = besides(runs, name);
    const reached = goal === undefined ? '' : ratio.median >= goal ? 'yes' : 'no';
    const ms = ({ median }) => short(1000 / median);
    return [
      title,
      ms(value),
      ms(anchor),
      range(ratio),
      range(aa),
      range(besides(runs, byClock(name)).ratio),
      goal === undefined ? '' : `≥ ${goal}`,
      reached,
    ];
  };
  return kinds.flatMap(({ title, goal, files }) => [
    row(title, `**${title}**`, goal),
    ...files.map((path) => row(path, path.split('/').slice(-1)[0])),
  ]);
}

const HEAD = [
  'image',
  'slicefeed ms',
  'peer ms',
  'times as fast',
  'peer to itself',
  'by the clock',
  'wanted',
  'reached',
];
const line = (cells) => `| ${cells.join(' | ')} |`;
const table = (rows) => [line(HEAD), line(HEAD.map(() => '---')), ...rows.map(line)].join('\n');

const pythons = [PYTHON, ...(process.env.PYLIBJPEG ? [process.env.PYLIBJPEG] : [])];
const parts = [];
for (const python of pythons) {
  // What plugins say of images they do not read is not ours to show.
  const peer = new Lines(python, [join(import.meta.dirname, 'decode-peer.py')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const compared = await compare(peer);
  const who = Object.entries(compared.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  parts.push(`## Beside ${who}\n\n${table(rowsOf(compared))}`);
  console.log(`\n${parts.at(-1)}`);
}
const epochs = await runNode('decode-epochs.mjs', '--copies', values.quick ? 2 : 8, '--epochs', 5);
const [first, ...later] = epochs.seconds;
parts.push(`## Decoded once

A study of ${epochs.images} JPEG 2000 images, fetched over HTTP batch by batch, nothing loaded ahead, in one run. First epoch: ${short(first)} s;
later ones: ${later.map(short).join(', ')} s: **${short(epochs.timesAsFast)} times as fast** (wanted: 8).`);
console.log(`\n${parts.at(-1)}`);

const { processor, cores, system, load } = describeMachine();
const page = `# How fast images are decoded

Made by \`npm run bench:decode\`; nothing here is written by hand. One process each, in turns: the peer, slicefeed, the peer again,
${ROUNDS} rounds. Milliseconds are processor time of all threads, because GDCM decodes JPEG 2000 with as many threads as there are cores.
A decode begins with the path of a file in the page cache and ends with an array of its stored values: for slicefeed the header, the
frame's bytes and the codec as in a loader, for the peer \`pydicom.dcmread(path).pixel_array\`. *Times as fast*: slicefeed's decodes a
second by the mean of the peer's two, median of the rounds (least–greatest); *peer to itself*: its second turn by its first, far from 1
means that the run tells nothing; *by the clock*: times as fast in elapsed time, other threads and whatever else the machine does
included. A bold row is all images of its kind one after the other. On ${processor}, ${cores} cores, ${system},
Node ${process.versions.node}, at a load of ${load}: ratios hold on other machines, milliseconds don't.

${parts.join('\n\n')}
`;
const out = values.out ?? (values.quick ? null : join(import.meta.dirname, '../docs/performance-decode.md'));
if (out !== null) writeFileSync(out, page);
