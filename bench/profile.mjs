// Where the time or the memory goes: `node bench/profile.mjs cpu|heap [--out FOLDER] [--quick] [--first]`, after a build. Runs a service with one
// reader over later epochs (--first: over the first one) and writes a .cpuprofile or .heapsnapshot of the service and of each loader to
// FOLDER (bench/profiles), which Chrome's developer tools open; of CPU profiles it prints what took most.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { realPairs, repeatStudies, smallPhantom } from './folders.mjs';
import { hotSpots } from './hot.mjs';
import { beside, Lines } from './processes.mjs';
import { childrenOf, costOf } from './processor-time.mjs';
import { Service, SPEC, startFixed } from './service.mjs';
import { SIZES } from './sizes.mjs';

const LOOK_EVERY_MS = 20;

const WRITTEN = /^(service|loader)-\d+\.(cpuprofile|heapsnapshot)$/;

/** Reads `batches` of a fixed Buffer and answers what that cost, in µs of processor time a batch. */
async function fixedCost({ folder, reader, batches }, service, session) {
  const fixed = await startFixed(service, session, folder);
  const read = (count) => reader.ask(fixed.steps(count));
  await read(50);
  const cost = await costOf({ 'server of the fixed Buffer': [fixed.pid], 'its reader': [reader.pid] }, () =>
    read(batches),
  );
  await fixed.end();
  return cost;
}

/**
 * Looks at a service over `data` while `reader` takes `batches`: the processor time of all who take part, then, in a second run,
 * profiles or snapshots, written to `out`.
 */
export async function profile({ data, folder, reader, batches, warmUp, kind, out, first = false }) {
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(out)) if (WRITTEN.test(name)) rmSync(join(out, name));
  const service = await Service.ready(data, folder, {
    entry: [beside('profiled-service.mjs')],
    env: { SLICEFEED_BENCH_OUT: out, SLICEFEED_BENCH_LOOK: kind },
  });
  const session = await service.open(SPEC);
  const { path, room, stepsPerEpoch } = session;
  let step = 0;
  const read = (count) => {
    const place = { first: step, last: step + count };
    step += count;
    return reader.ask({ do: 'read', port: service.port, path, room, ...place });
  };
  const cost = { first: [], later: [], fixed: [] };
  if (!first) {
    const processes = { service: [service.pid], loaders: childrenOf(service.pid), reader: [reader.pid] };
    cost.first = aBatch(await costOf(processes, () => read(stepsPerEpoch)), stepsPerEpoch);
    await read(warmUp);
    cost.later = aBatch(await costOf(processes, () => read(batches)), batches);
    cost.fixed = aBatch(await fixedCost({ folder, reader, batches }, service, session), batches);
  }
  process.kill(service.pid, 'SIGUSR2');
  await pause(300);
  const count = first ? stepsPerEpoch : batches;
  const { seconds } = await read(count);
  process.kill(service.pid, 'SIGUSR2');
  const written = () => readdirSync(out).filter((name) => WRITTEN.test(name));
  const processes = 1 + (await service.call('GET', '/readyz')).loaders.ready;
  while (written().length < processes) await pause(LOOK_EVERY_MS);
  await service.stop();
  return {
    files: written().map((name) => join(out, name)),
    batches: count,
    seconds,
    cost,
  };
}

function aBatch(cost, batches) {
  return cost.map(({ name, user, system, helpers }) => ({
    name,
    userUs: Math.round(user / batches),
    systemUs: Math.round(system / batches),
    helpersUs: Math.round(helpers / batches),
  }));
}

/** The tables of a CPU profile: for each process the functions with the most time of their own, in µs a batch. */
export function profileTables({ files, batches, seconds }) {
  return files.toReversed().map((file) => {
    const [, name] = /(service|loader)-\d+\.cpuprofile$/.exec(file);
    const { busyMs, functions, own, within } = hotSpots(file);
    const perBatch = (ms) => Math.round((ms * 1000) / batches);
    return {
      process: name,
      busyShare: busyMs / (seconds * 1000),
      busyUs: perBatch(busyMs),
      functions,
      own: own.map(({ ms, ...rest }) => ({ ...rest, us: perBatch(ms) })),
      within: within.map(({ ms, name: where }) => ({ where, us: perBatch(ms) })),
    };
  });
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string' }, quick: { type: 'boolean' }, first: { type: 'boolean' } },
  });
  const kind = positionals[0] ?? 'cpu';
  if (kind !== 'cpu' && kind !== 'heap') throw new Error('say cpu or heap');
  const folder = mkdtempSync(join(tmpdir(), 'slicefeed-profile-'));
  const size = values.quick ? SIZES.quick : SIZES.full;
  const reader = Lines.python('reader.py');
  try {
    const source = realPairs() ?? (await smallPhantom(join(folder, 'phantom')));
    const { folder: data } = repeatStudies(source, join(folder, 'data'), size.copies);
    const out = values.out ?? beside('profiles');
    const { profiledBatches: batches, warmUp } = size;
    const first = values.first ?? false;
    const done = await profile({ data, folder, reader, batches, warmUp, kind, out, first });
    console.log(done.files.join('\n'));
    for (const [what, rows] of Object.entries(done.cost))
      for (const { name, userUs, systemUs, helpersUs } of rows)
        console.log(
          `${what}: ${name}: ${userUs} + ${systemUs} µs a batch, user + system, ${helpersUs} of it in helper threads`,
        );
    if (kind === 'cpu')
      for (const table of profileTables(done)) {
        console.log(
          `\n${table.process}: ${table.busyUs} µs a batch, busy ${Math.round(table.busyShare * 100)} % of the time`,
        );
        console.log('own time');
        for (const { name, place, caller, us } of table.own)
          console.log(`${String(us).padStart(8)}  ${name} ${place}${caller ? ` < ${caller}` : ''}`);
        console.log('with what it calls');
        for (const { where, us } of table.within) console.log(`${String(us).padStart(8)}  ${where}`);
      }
  } finally {
    await reader.end();
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === beside('profile.mjs')) await main();
