import { besides, interleave } from '../rounds.mjs';
import { Service, SPEC, startFloor } from '../service.mjs';

/** Later epochs are read in a row until they take about as long as one of the peer's. */
const LATER_EPOCHS = 5;

/** With the mask rule of the peer, so that sums can be compared. */
const ALIKE = { ...SPEC, mask: { rule: 'pil' } };

async function readEpochs({ reader }, { port }, { stepsPerEpoch, path, room }, from, to, opening) {
  const steps = { first: from * stepsPerEpoch, last: to * stepsPerEpoch };
  const command = { do: 'read', port, path, ...steps, room };
  return reader.ask(opening ? { ...command, opening } : command);
}

const rateOf = ({ pairs, seconds }) => pairs / seconds;

/** Reads an epoch with the peer's mask rule and throws unless both give the same bytes. */
async function compareBytes(run, service) {
  const session = await service.open(ALIKE);
  const ours = await readEpochs(run, service, session, 0, 1);
  const theirs = await run.peer.ask({ do: 'epoch', batch: 8, workers: run.machine.cores });
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
async function newStudies({ data, folder, reader, size }) {
  const service = await Service.ready(data, folder);
  const { studies } = await service.call('GET', '/v1/studies?limit=1000');
  // Copies of the same studies follow each other by name: every other one is in each half.
  const halves = [0, 1].map((half) => studies.filter((_, at) => at % 2 === half));
  const [given, other] = halves.map((half) => ({ ...SPEC, studies: half.map(({ id }) => id) }));
  const pairs = halves[1].reduce((sum, study) => sum + study.pairs, 0);
  const read = (path, room, steps, opening) =>
    reader.ask({ do: 'read', port: service.port, path, first: 0, last: steps, room, opening });
  const { path, room } = await service.open(given);
  await read(path, room, size.warmUp);
  const opening = { path: '/v1/sessions/other', body: other };
  const steps = Math.ceil(pairs / SPEC.batchSize);
  const epoch = await read('/v1/sessions/other/batches/', room, steps, opening);
  await service.stop();
  return pairs / epoch.seconds;
}

/** Delivered pairs beside a DataLoader, of the first epoch and of later ones. */
export async function dataloaderFigures(run) {
  const { data, folder, size, machine, peer } = run;
  const kept = await Service.ready(data, folder);
  const known = await compareBytes(run, kept);
  const session = await kept.open(SPEC);
  const check = (epoch) => {
    if (epoch.pairs !== known.pairs || epoch.images !== known.images)
      throw new Error('an epoch has other bytes');
    return rateOf(epoch);
  };
  const anchor = async () => ({
    rate: check(await peer.ask({ do: 'epoch', batch: SPEC.batchSize, workers: machine.cores })),
  });
  let epochs = 0;
  const next = async (count) => {
    const read = await readEpochs(run, kept, session, epochs, epochs + count);
    epochs += count;
    return read;
  };
  // The peer keeps its workers warm; so is a service that trainers have read from for a while.
  while (epochs * session.stepsPerEpoch < size.warmUp) check(await next(1));
  const floor = await startFloor(kept, session);
  const bare = async (server, steps) => rateOf(await run.reader.ask({ do: 'read', ...server.steps(steps) }));
  await bare(floor, size.warmUp);
  const ours = async () => {
    const fresh = await Service.ready(data, folder);
    const opening = { path: '/v1/sessions/bench', body: SPEC };
    const opened = { ...known.session, path: '/v1/sessions/bench/batches/' };
    const first = check(await readEpochs(run, fresh, opened, 0, 1, opening));
    await fresh.stop();
    const freshFloor = await startFloor(kept, session);
    const firstFloor = await bare(freshFloor, session.stepsPerEpoch);
    await freshFloor.end();
    const other = await newStudies(run);
    const later = rateOf(await next(LATER_EPOCHS));
    const laterFloor = await bare(floor, LATER_EPOCHS * session.stepsPerEpoch);
    return { first, firstFloor, other, later, laterFloor };
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
      title: 'delivered, first epoch, opening included',
      ...common,
      ...besides(runs, 'first', 'rate'),
      goal: { atLeast: 4 },
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
      title: 'delivered, later epochs',
      ...common,
      ...besides(runs, 'later', 'rate'),
      goal: { atLeast: 6 },
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
