import { runNode } from '../processes.mjs';
import { besides, interleave } from '../rounds.mjs';

const rate = ({ pairs, seconds }) => pairs / seconds;

/** Loading one pair on one core, without the wire. `run.service` has loaded every pair before. */
export async function loadingFigures(run) {
  const { service, session, data, peer, size } = run;
  const { structures, image } = session.spec;
  const ours = async (...mode) =>
    rate(
      await runNode('load-pairs.mjs', service.state, data, structures[0], image.dtype, size.loaded, ...mode),
    );
  await peer.ask({ do: 'single', count: Math.min(size.loaded, 200) });
  const runs = await interleave(
    size.rounds,
    async () => ({ rate: rate(await peer.ask({ do: 'single', count: Math.ceil(size.loaded / 4) })) }),
    async () => ({ core: await ours(), channel: await ours('--channel') }),
  );
  const common = { unit: 'pairs/s', anchorTitle: 'pydicom + Pillow, one process' };
  return [
    {
      id: 'load',
      title: 'load of one pair as a child does it, native pixels, one core',
      ...common,
      ...besides(runs, 'core', 'rate'),
      goal: { atLeast: 8 },
    },
    {
      id: 'load-channel',
      title: 'the same in a child, one task after the other through its channel',
      ...common,
      ...besides(runs, 'channel', 'rate'),
      goal: null,
    },
  ];
}
