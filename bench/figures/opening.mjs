import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { linkStudies } from '../folders.mjs';
import { runNode } from '../processes.mjs';
import { besides, interleave, median, spread } from '../rounds.mjs';
import { Service } from '../service.mjs';

/** A service over made rows, the pixels of the study they share read before, as after an epoch. */
async function serve({ data, folder, size }, pairs) {
  const { perStudy } = size;
  // Whole contours would make it 9 GB of rows, for nothing that is measured here.
  const shared = { studies: 1, images: perStudy, contours: perStudy, thin: 8 };
  const source = linkStudies(data, join(folder, `rows-${pairs}`), shared);
  const service = await Service.ready(source.folder, folder);
  const session = await service.open({});
  for (let step = 0; step < session.stepsPerEpoch; step++) await fetchBatch(service, session, step);
  await service.call('DELETE', `/v1/sessions/${session.id}`);
  await runNode('catalogue.mjs', service.state, pairs);
  return service;
}

async function fetchBatch(service, session, step) {
  const answer = await fetch(service.url(`/v1/sessions/${session.id}/batches/${step}`));
  if (!answer.ok) throw new Error(await answer.text());
  await answer.arrayBuffer();
}

let seed = 0;

/** Opens a session whose batches nobody asked for before and takes its first one; answers ms. */
async function openOne(service, pairs) {
  const startedAt = performance.now();
  const session = await service.call('PUT', `/v1/sessions/open-${randomUUID()}`, { seed: ++seed });
  await fetchBatch(service, session, 0);
  const ms = performance.now() - startedAt;
  if (session.pairs < pairs) throw new Error(`${session.pairs} pairs, not ${pairs}`);
  await service.call('DELETE', `/v1/sessions/${session.id}`);
  // What the service does behind an answer is not part of the next one.
  await pause(20);
  return ms;
}

/** Opening a session and its first batch over a large catalogue, beside a small one. */
export async function openingFigures(run) {
  const { few, many, openings, rounds } = run.size;
  const small = await serve(run, few);
  const large = await serve(run, many);
  const open = async (service, pairs) => {
    const times = [];
    for (let n = 0; n < openings; n++) times.push(await openOne(service, pairs));
    return { ms: median(times), residentMiB: service.residentMiB() };
  };
  const firstSmall = await openOne(small, few);
  const firstLarge = await openOne(large, many);
  const runs = await interleave(
    rounds,
    () => open(small, few),
    () => open(large, many),
  );
  await small.stop();
  await large.stop();
  const pairs = (count) => `${count.toLocaleString('en-US')} pairs`;
  const memory = besides(runs, 'residentMiB');
  const more = runs.map(({ before, value }) => value.residentMiB - before.residentMiB);
  const single = (value) => spread([value]);
  return [
    {
      id: 'opening',
      title: `opening a session and its first batch over ${pairs(many)}`,
      unit: 'ms',
      anchorTitle: `over ${pairs(few)}`,
      ...besides(runs, 'ms'),
      goal: { atMost: 1.5 },
    },
    {
      id: 'opening-memory',
      title: 'resident memory of the service meanwhile',
      unit: 'MiB',
      anchorTitle: `over ${pairs(few)}`,
      ...memory,
      more: spread(more),
      goal: { atMostMore: 32 },
    },
    {
      id: 'opening-first',
      title: 'the very first opening after its rows were made (once)',
      unit: 'ms',
      anchorTitle: `over ${pairs(few)}`,
      value: single(firstLarge),
      anchor: single(firstSmall),
      ratio: single(firstLarge / firstSmall),
      aa: null,
      goal: null,
    },
  ];
}
