import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { sizedStudies } from '../folders.mjs';
import { Lines } from '../processes.mjs';
import { Service } from '../service.mjs';

/** Delivered MB/s for each size of image and of batch, ours and the DataLoader's: the points of the plot, one run each. */
export async function gridPoints(run) {
  const points = [];
  for (const side of run.size.sides) {
    const folder = join(run.folder, `side-${side}`);
    const pairs = Math.max(...run.size.batchSizes, Math.floor(run.size.gridBytes / (2 * side * side)));
    const { folder: data } = await sizedStudies(folder, side, pairs);
    const service = await Service.ready(data, folder);
    const peer = run.torch ? Lines.python('peer.py', data, 'i') : null;
    for (const batchSize of run.size.batchSizes) {
      const ours = await readOurs(run, service, batchSize);
      const theirs = peer ? await readTheirs(run, peer, batchSize) : null;
      points.push({ side, batchSize, ours, theirs });
      run.say(`${side} × ${side}, batches of ${batchSize}: ${Math.round(ours)} MB/s`);
    }
    await peer?.end();
    await service.stop();
    rmSync(folder, { recursive: true });
  }
  return points;
}

async function readOurs({ reader, size }, service, batchSize) {
  const { id, path, room, stepsPerEpoch } = await service.open({ structures: ['i'], batchSize });
  const read = (first, last) => reader.ask({ do: 'read', port: service.port, path, room, first, last });
  // Two at least: the reader uses two buffers in turn, and the first touch of each is not the service's time.
  let step = Math.max(2, stepsPerEpoch);
  await read(0, step);
  let bytes = 0;
  let seconds = 0;
  do {
    const epoch = await read(step, step + stepsPerEpoch);
    bytes += epoch.bytes;
    seconds += epoch.seconds;
    step += stepsPerEpoch;
  } while (seconds < size.gridSeconds);
  await service.call('DELETE', `/v1/sessions/${id}`);
  return bytes / seconds / 1e6;
}

async function readTheirs({ machine }, peer, batch) {
  const epoch = () => peer.ask({ do: 'epoch', batch, workers: machine.cores });
  await epoch();
  const { bytes, seconds } = await epoch();
  await peer.ask({ do: 'forget' });
  return bytes / seconds / 1e6;
}
