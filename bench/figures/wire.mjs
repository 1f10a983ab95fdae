import { start } from '../processes.mjs';
import { besides, interleave, quantile } from '../rounds.mjs';
import { startFixed, startFloor } from '../service.mjs';

const LOAD_SHARE = 1.3;
const CALM_MS = 20;

const rate = ({ bytes, seconds }) => ({ rate: bytes / seconds / 1e6 });

/** Delivered bytes, and the waits of a paced reader, beside one fixed Buffer. `run.service` has loaded every pair before. */
export async function wireFigures(run) {
  const { service, session, reader, folder, size } = run;
  const fixed = await startFixed(service, session, folder);
  const floor = await startFloor(service, session);
  const take = (count) => {
    const first = run.nextStep;
    run.nextStep += count;
    return [first, run.nextStep];
  };
  const steps = (count) => service.asked(session, ...take(count));
  const streamed = (count) => service.streamed(session, ...take(count));
  try {
    const count = size.batches;
    await reader.ask(fixed.steps(Math.min(count, 50)));
    await reader.ask(steps(size.steady));
    await reader.ask(floor.steps(size.steady));
    const one = await interleave(
      size.rounds,
      async () => rate(await reader.ask(fixed.steps(count))),
      async () => ({
        ...rate(await reader.ask(steps(count))),
        floor: rate(await reader.ask(floor.steps(count))).rate,
      }),
    );
    const endless = await interleave(
      size.rounds,
      async () => rate(await reader.ask(fixed.stream(count))),
      async () => rate(await reader.ask(streamed(count))),
    );
    const loadMs = await meanLoadMs(run, steps);
    const stepMs = loadMs * LOAD_SHARE;
    const wait = async (place, way = 'asked', name = way) => {
      const { waitsMs } = await reader.ask({ ...place, do: 'pace', way, stepMs });
      // The first one is asked for without a step before it.
      const waits = waitsMs.slice(1);
      return { [`${name}-p50`]: quantile(waits, 0.5), [`${name}-p99`]: quantile(waits, 0.99) };
    };
    const paced = await interleave(
      size.rounds,
      async () => ({
        ...(await wait(fixed.steps(size.paced))),
        ...(await wait(fixed.steps(size.paced), 'ahead')),
        ...(await wait(fixed.stream(size.paced), 'stream')),
      }),
      async () => ({
        ...(await wait(steps(size.paced))),
        ...(await wait(steps(size.paced), 'ahead')),
        ...(await wait(streamed(size.paced), 'stream')),
        ...(await wait(floor.steps(size.paced), 'asked', 'floor')),
      }),
    );
    const busy = () => besideBusyCores(run.machine.cores, () => wait(fixed.steps(size.busy)));
    const crowded = await interleave(size.rounds, busy, () =>
      besideBusyCores(run.machine.cores, () => wait(steps(size.busy))),
    );
    const pace = `step ${stepMs.toFixed(2)} ms, a load ${loadMs.toFixed(2)} ms`;
    return [
      {
        id: 'megabytes',
        title: 'delivered, later epochs, one reader',
        unit: 'MB/s',
        anchorTitle: 'one fixed Buffer, bare node:http',
        ...besides(one, 'rate'),
        goal: { atLeast: 0.6 },
      },
      {
        id: 'megabytes-floor',
        title: 'the same by the barest server of this design',
        unit: 'MB/s',
        anchorTitle: 'one fixed Buffer, bare node:http',
        ...besides(one, 'floor', 'rate'),
        goal: null,
      },
      {
        id: 'stream',
        title: 'the same as one answer (`stream`)',
        unit: 'MB/s',
        anchorTitle: 'one fixed Buffer again and again in one answer',
        ...besides(endless, 'rate'),
        goal: null,
      },
      ...[
        ['p50', 1.2],
        ['p99', 1.5],
      ].flatMap(([name, atMost]) => {
        const row = (way, title, anchor, anchorTitle, goal) => ({
          id: way === 'asked' ? `wait-${name}` : `wait-${name}-${way}`,
          title,
          unit: 'ms',
          anchorTitle,
          ...besides(paced, `${way}-${name}`, `${anchor}-${name}`),
          goal,
        });
        const title = `wait of a paced reader, ${name}`;
        const same = 'the fixed Buffer at the same pace';
        const early = `${same}, asked for as early`;
        const endless = `${same}, again and again in one answer`;
        return [
          row('asked', `${title} (${pace})`, 'asked', same, { atMost }),
          row('floor', 'the same by the barest server of this design', 'asked', same, null),
          row('ahead', `${title}, each batch asked for before the step`, 'ahead', early, { atMost }),
          row('stream', `${title}, with \`stream\``, 'stream', endless, { atMost }),
        ];
      }),
      {
        id: 'wait-busy',
        title: 'wait of a paced reader, p50, every core busy with something else',
        unit: 'ms',
        anchorTitle: 'the fixed Buffer at the same pace, cores as busy',
        ...besides(crowded, 'asked-p50'),
        goal: null,
      },
    ];
  } finally {
    await floor.end();
    await fixed.end();
  }
}

/** Does something while as many processes as there are cores do nothing but run, as a trainer's own threads may. */
async function besideBusyCores(cores, work) {
  const loops = Array.from({ length: cores }, () => start(process.execPath, ['-e', 'for (;;);']));
  try {
    return await work();
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
}

/** What loading a batch takes while the reader is calm, as the service counts it. */
async function meanLoadMs({ service, session, reader, size }, steps) {
  const look = async () => service.call('GET', `/v1/sessions/${session.id}`);
  const before = await look();
  await reader.ask({ ...steps(Math.min(size.paced, 100)), do: 'pace', way: 'asked', stepMs: CALM_MS });
  const after = await look();
  return (after.loadMs - before.loadMs) / (after.hits + after.misses - before.hits - before.misses);
}
