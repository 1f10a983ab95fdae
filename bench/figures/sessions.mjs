import { besides, interleave } from '../rounds.mjs';
import { SPEC } from '../service.mjs';

/** Pairs delivered to many sessions at once, by one reader, beside one session. */
export async function sessionsFigure(run) {
  const { service, session, reader, size } = run;
  const opened = [];
  for (let seed = 1; seed <= size.sessions; seed++) opened.push(await service.open({ ...SPEC, seed }));
  const paths = opened.map(({ path }) => path);
  const { room } = session;
  const read = async (asked, first, last) => {
    const { pairs, seconds } = await reader.ask({
      do: 'many',
      port: service.port,
      paths: asked,
      first,
      last,
      room,
    });
    return { rate: pairs / seconds };
  };
  let step = 2;
  // The first batches were warmed when their sessions were opened.
  await read(paths, 0, step);
  const runs = await interleave(
    size.rounds,
    () => {
      const first = run.nextStep;
      run.nextStep += size.sessions * size.steps;
      return read([session.path], first, run.nextStep);
    },
    () => {
      const first = step;
      step += size.steps;
      return read(paths, first, step);
    },
  );
  for (const { id } of opened) await service.call('DELETE', `/v1/sessions/${id}`);
  return [
    {
      id: 'sessions',
      title: `${size.sessions} sessions at once, together`,
      unit: 'pairs/s',
      anchorTitle: 'one session',
      ...besides(runs, 'rate'),
      goal: { atLeast: 0.8 },
    },
  ];
}
