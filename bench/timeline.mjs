import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beside } from './processes.mjs';
import { queuedTime } from './processor-time.mjs';
import { median, quantile } from './rounds.mjs';
import { SERVE, Service, SPEC, startFixed, startFloor } from './service.mjs';

const STEP_MS = 1;
/** On which of the cores reader and server run their first threads; null: on any. */
const PLACES = [
  { where: 'where the system puts them', reader: null, server: null },
  { where: 'on one core', reader: 0, server: 0 },
  { where: 'on a core each', reader: 0, server: 1 },
];
const LOOK_EVERY_MS = 5;

/** What was noted by a server that `marks.mjs` is loaded into, since the last time. */
async function marksOf(pid, file) {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGWINCH');
  while (!existsSync(file)) await pause(LOOK_EVERY_MS);
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** The phases of waits, in µs, from what the reader (`spans`) and the server (`marks`) noted of the same batches. */
function phasesOf(spans, marks) {
  const rows = spans.map(([asked, got], at) => {
    const [request, firstWrite] = marks[at];
    const written = marks[at].at(-1);
    return [request - asked, firstWrite - request, written - firstWrite, got - written, got - asked];
  });
  // The first one is asked for without a step before it.
  return rows.slice(1).map((row) => row.map((ns) => ns / 1000));
}

/** A server's waits over all rounds: medians of their phases, and p50 and p99, beside those that the anchor had in the same round. */
function summary({ title, rounds }, anchor) {
  const all = rounds.flatMap(({ rows }) => rows);
  const queued = (who) => Math.round(median(rounds.map(({ queuedUs }) => queuedUs[who])));
  const of = (share) => {
    const wait = (rows) =>
      quantile(
        rows.map((phases) => phases.at(-1)),
        share,
      );
    const ratios = rounds.map(({ rows }, at) => wait(rows) / wait(anchor.rounds[at].rows));
    return { us: Math.round(wait(all)), ratio: median(ratios) };
  };
  return {
    title,
    phasesUs: all[0].map((_, phase) => Math.round(median(all.map((row) => row[phase])))),
    p50: of(0.5),
    p99: of(0.99),
    queuedUs: { server: queued('server'), reader: queued('reader') },
  };
}

/**
 * Where the wait of a paced reader goes that asks for each batch, in µs: of slicefeed, the barest server of this design and the server of the fixed Buffer, in
 * turns; wherever the system puts reader and server, and where both are told.
 */
export async function timeline({ data, folder, reader, size, machine }) {
  const marksIn = (name) => ({
    file: join(folder, `marks-${name}`),
    node: ['--import', beside('marks.mjs')],
  });
  const [ours, bare, fixed] = ['service', 'floor', 'fixed'].map(marksIn);
  const withMarks = ({ file }) => ({ env: { ...process.env, MARKS: file } });
  const service = await Service.ready(data, folder, {
    entry: [...ours.node, ...SERVE],
    env: { MARKS: ours.file },
  });
  const session = await service.open(SPEC);
  const floor = await startFloor(service, session, bare.node, withMarks(bare));
  const server = await startFixed(service, session, folder, fixed.node, withMarks(fixed));
  let next = 0;
  const take = (count) => {
    const first = next;
    next += count;
    return service.asked(session, first, next);
  };
  const sides = [
    { title: 'slicefeed', pid: service.pid, ...ours, steps: take },
    { title: 'the barest server', pid: floor.pid, ...bare, steps: floor.steps },
    { title: 'the fixed Buffer', pid: server.pid, ...fixed, steps: server.steps },
  ];
  for (const { steps } of sides) await reader.ask(steps(size.steady));
  const wait = async ({ pid, file, steps }, where) => {
    await reader.ask({ do: 'place', cores: { [reader.pid]: where.reader, [pid]: where.server } });
    await marksOf(pid, file);
    const before = [pid, reader.pid].map(queuedTime);
    const { spans } = await reader.ask({ ...steps(size.paced), do: 'pace', way: 'asked', stepMs: STEP_MS });
    const [ours, theirs] = [pid, reader.pid].map((id, at) => (queuedTime(id) - before[at]) / size.paced);
    return { rows: phasesOf(spans, await marksOf(pid, file)), queuedUs: { server: ours, reader: theirs } };
  };
  const places = machine.cores > 1 ? PLACES : PLACES.slice(0, 1);
  const placed = places.map((place) => ({
    place,
    waited: sides.map(({ title }) => ({ title, rounds: [] })),
  }));
  for (let round = 0; round < size.rounds; round++)
    for (const { place, waited } of placed)
      for (const [at, side] of sides.entries()) waited[at].rounds.push(await wait(side, place));
  await reader.ask({ do: 'place', cores: { [reader.pid]: null } });
  await server.end();
  await floor.end();
  await service.stop();
  return placed.map(({ place: { where }, waited }) => ({
    where,
    servers: waited.map((side) => summary(side, waited.at(-1))),
  }));
}
