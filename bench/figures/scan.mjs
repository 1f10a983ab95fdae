import { join } from 'node:path';
import { linkStudies } from '../folders.mjs';
import { runNode } from '../processes.mjs';
import { besides, interleave } from '../rounds.mjs';
import { Service } from '../service.mjs';

const IMAGES = 16;
const CONTOURS = 4;

async function scanOnce(data, folder) {
  const service = await Service.ready(data, folder);
  const { files, ms } = service.scan;
  return { service, rate: files / (ms / 1000) };
}

/** The first scan of a folder beside a bare walk-and-read of the same bytes, and a second scan of many unchanged files. */
export async function scanFigures(run) {
  const { data, folder, size } = run;
  const walk = async (path, ...mode) => {
    const { files, seconds } = await runNode('walk.mjs', path, ...mode);
    return { rate: files / seconds };
  };
  const first = await interleave(
    size.rounds,
    () => walk(data),
    async () => {
      const { service, rate } = await scanOnce(data, folder);
      await service.stop();
      return { rate };
    },
  );
  const studies = Math.ceil(size.files / (IMAGES + CONTOURS));
  const linked = linkStudies(data, join(folder, 'linked'), { studies, images: IMAGES, contours: CONTOURS });
  const { service } = await scanOnce(linked.folder, folder);
  const again = await interleave(
    Math.min(size.rounds, 3),
    () => walk(linked.folder, '--status'),
    async () => {
      const startedAt = performance.now();
      const { changed, added, removed } = await service.call('POST', '/v1/scan');
      if (changed + added + removed > 0) throw new Error('a second scan found something new');
      return { rate: linked.files / ((performance.now() - startedAt) / 1000) };
    },
  );
  await service.stop();
  return [
    {
      id: 'scan',
      title: 'first scan',
      unit: 'files/s',
      anchorTitle: 'a bare walk that reads the same bytes',
      ...besides(first, 'rate'),
      goal: null,
    },
    {
      id: 'scan-again',
      title: `second scan of ${linked.files.toLocaleString('en-US')} unchanged files`,
      unit: 'files/s',
      anchorTitle: 'a bare walk that looks at their status',
      ...besides(again, 'rate'),
      goal: null,
    },
  ];
}
