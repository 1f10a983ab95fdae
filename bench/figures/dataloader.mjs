import { besides, interleave } from '../rounds.mjs';
import { Service, SPEC, startFloor } from '../service.mjs';

/** Later epochs are read in a row until they take about as long as one of the peer's. */
const LATER_EPOCHS = 5;

/** With the mask rule of the peer, so that sums can be compared. */
const ALIKE = { ...SPEC, mask: { rule: 'pil' } };

const rateOf = ({ pairs, seconds }) => pairs / seconds;

/** Reads an epoch with the peer's mask rule and throws unless both give the same bytes. */
async function compareBytes(run, service) {
  const session = await service.open(ALIKE);
  const ours = await run.reader.ask(service.streamed(session, 0, session.stepsPerEpoch));
  const theirs = await run.peer.ask({ do: 'epoch', batch: SPEC.batchSize, workers: run.machine.cores });
  for (const name of ['pairs', 'images', 'masks'])
    if (ours[name] !== theirs[name])
      throw new Error(`the peer has other ${name}: ${ours[name]}, ${theirs[name]}`);
  await service.call('DELETE', `/v1/sessions/${session.id}`);
  return { session, pairs: ours.pairs, images: ours.images };
}

/**
 * The first epoch of half of the studies in a service that trainers have read the other half from: of what a first epoch costs, that which
 * comes again with every new study.
 */
async function newStudies(run) {
  const { reader, size } = run;
  const service = await Service.ready(run.data, run.folder);
  const { studies } = await service.call('GET', '/v1/studies?limit=1000');
  // Copies of the same studies follow each other by name: every other one is in each half.
  const halves = [0, 1].map((half) => studies.filter((_, at) => at % 2 === half));
  const [given, other] = halves.map((half) => ({ ...SPEC, studies: half.map(({ id }) => id) }));
  const pairs = halves[1].reduce((sum, study) => sum + study.pairs, 0);
  const session = await service.open(given);
  await reader.ask(service.streamed(session, 0, size.warmUp));
  const opening = { path: '/v1/sessions/other', body: other };
  const steps = Math.ceil(pairs / SPEC.batchSize);
  const read = service.streamed({ ...session, path: `${opening.path}/batches/` }, 0, steps);
  const epoch = await reader.ask({ ...read, opening });
  await service.stop();
  return pairs / epoch.seconds;
}

/** Delivered pairs beside a DataLoader, of the first epoch and of later ones. */
export async function dataloaderFigures(run) {
  const { size, machine, peer, reader } = run;
  const kept = await Service.ready(run.data, run.folder);
  const known = await compareBytes(run, kept);
  const session = await kept.open(SPEC);
  const { stepsPerEpoch } = session;
  const check = (epoch) => {
    if (epoch.pairs !== known.pairs || epoch.images !== known.images)
      throw new Error('an epoch has other bytes');
    return rateOf(epoch);
  };
  const anchor = async () => ({
    rate: check(await peer.ask({ do: 'epoch', batch: SPEC.batchSize, workers: machine.cores })),
  });
  /** The first epoch of a service that has done nothing but its scan, its session opened within the time. */
  const firstOf = async (how) => {
    const fresh = await Service.ready(run.data, run.folder);
    const opening = { path: '/v1/sessions/bench', body: SPEC };
    const place = { ...known.session, path: `${opening.path}/batches/` };
    const rate = check(await reader.ask({ ...fresh[how](place, 0, stepsPerEpoch), opening }));
    await fresh.stop();
    return rate;
  };
  let step = 0;
  const next = async (how, steps) => {
    const first = step;
    step += steps;
    return rateOf(await reader.ask(kept[how](session, first, step)));
  };
  // The peer keeps its workers warm; so is a service that trainers have read from for a while.
  await next('streamed', size.warmUp);
  await next('asked', size.warmUp);
  const floor = await startFloor(kept, session);
  const bare = async (server, steps) => rateOf(await reader.ask(server.stream(steps)));
  await bare(floor, size.warmUp);
  const ours = async () => {
    const first = await firstOf('streamed');
    const firstAsked = await firstOf('asked');
    const freshFloor = await startFloor(kept, session);
    const firstFloor = await bare(freshFloor, stepsPerEpoch);
    await freshFloor.end();
    const other = await newStudies(run);
    const steps = LATER_EPOCHS * stepsPerEpoch;
    const later = await next('streamed', steps);
    const laterAsked = await next('asked', steps);
    const laterFloor = await bare(floor, steps);
    return { first, firstAsked, firstFloor, other, later, laterAsked, laterFloor };
  };
  const runs = await interleave(size.rounds, anchor, ours);
  await floor.end();
  await kept.stop();
  const common = {
    unit: 'pairs/s',
    anchorTitle: `PyTorch DataLoader, ${machine.cores} workers, pydicom + Pillow`,
  };
  return [
    {
      id: 'first-epoch',
      title: 'delivered, first epoch, opening included (`stream`)',
      ...common,
      ...besides(runs, 'first', 'rate'),
      goal: { atLeast: 4 },
    },
    {
      id: 'first-epoch-asked',
      title: 'the same, a request for each batch',
      ...common,
      ...besides(runs, 'firstAsked', 'rate'),
      goal: null,
    },
    {
      id: 'first-epoch-floor',
      title: 'the same by the barest server of this design',
      ...common,
      ...besides(runs, 'firstFloor', 'rate'),
      goal: null,
    },
    {
      id: 'new-studies',
      title: 'first epoch of other studies than a service at work has given',
      ...common,
      ...besides(runs, 'other', 'rate'),
      goal: null,
    },
    {
      id: 'later-epochs',
      title: 'delivered, later epochs (`stream`)',
      ...common,
      ...besides(runs, 'later', 'rate'),
      goal: { atLeast: 6 },
    },
    {
      id: 'later-epochs-asked',
      title: 'the same, a request for each batch',
      ...common,
      ...besides(runs, 'laterAsked', 'rate'),
      goal: null,
    },
    {
      id: 'later-epochs-floor',
      title: 'the same by the barest server of this design',
      ...common,
      ...besides(runs, 'laterFloor', 'rate'),
      goal: null,
    },
  ];
}
