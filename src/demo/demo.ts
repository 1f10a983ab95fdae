import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Progress, type Screen } from '../progress.js';
import { type Check, checkEpoch, expectedPairs } from './check.js';
import { makePhantom, type PhantomOptions, type PhantomTruth } from './phantom.js';
import { type OpenedSession, Reader, type ReceivedBatch } from './reader.js';
import { ENDED_WELL, ServiceProcess } from './service-process.js';
import {
  checkLines,
  describeEpoch,
  type Epoch,
  nextCommands,
  shellWord,
  sumEpoch,
  summaryTable,
} from './summary.js';

/** What a demo is made of; every field may be left out. */
export interface DemoOptions {
  /** What it leaves out: 12 studies of 8 positions in 5 phases, 192 × 192, which is 480 images and 96 pairs. */
  readonly phantom?: PhantomOptions;
  readonly batchSize?: number;
  /** The training step; by default a pause of 100 ms. It may keep the batch, and should end when the signal does. */
  readonly train?: (batch: ReceivedBatch, signal: AbortSignal) => Promise<void>;
  /** The folder in which the demo makes one of its own; default: the system's for temporary files. */
  readonly within?: string;
  /** Where results go; default stdout. */
  readonly results?: Pick<Screen, 'write'>;
  /** Where progress goes; default stderr. */
  readonly screen?: Screen;
}

/** What a demo found. */
export interface DemoResult {
  readonly truth: PhantomTruth;
  readonly checks: readonly Check[];
  readonly epoch: Epoch;
  /** The file with the picture of the first batch. */
  readonly picture: string;
}

interface Stage {
  readonly folder: string;
  readonly data: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const PHANTOM: PhantomOptions = { studies: 12, slices: 8, phases: 5, rows: 192, columns: 192 };
const STRUCTURES = ['i', 'o'];
const TRAINING_MS = 100;
const LOOK_EVERY_MS = 50;
const STOPS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * `slicefeed demo`: runs the demo on this process's terminal and answers whether all checks passed. A signal that would end
 * the process stops the service first and takes the demo's folder away.
 */
export async function demo(options: DemoOptions = {}): Promise<boolean> {
  const interruption = new AbortController();
  let stoppedBy: NodeJS.Signals | null = null;
  // Stays until the end: npm sends on a Ctrl-C that the terminal has sent already.
  const stop = (signal: NodeJS.Signals) => {
    stoppedBy ??= signal;
    interruption.abort();
  };
  for (const signal of STOPS) process.on(signal, stop);
  try {
    const { checks } = await runDemo(options, interruption.signal);
    return checks.every(({ passed }) => passed);
  } catch (error) {
    if (stoppedBy === null) throw error;
    return false;
  } finally {
    for (const signal of STOPS) process.off(signal, stop);
    if (stoppedBy !== null) process.kill(process.pid, stoppedBy);
  }
}

/**
 * The whole way once: makes a phantom, serves it from a process of its own, reads an epoch over HTTP as a trainer would, checks what came
 * against the phantom's truth, and tells it. Its folder stays, also when it throws; when the signal ends it early, it goes.
 */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<DemoResult> {
  const { within = tmpdir(), results = process.stdout, screen = process.stderr } = options;
  const progress = new Progress(screen);
  const folder = await mkdtemp(join(within, 'slicefeed-demo-'));
  try {
    const stage = { folder, data: join(folder, 'data'), progress, signal };
    const found = await served(stage, options);
    tell(stage, found, results);
    return found;
  } catch (error) {
    progress.clear();
    if (signal.aborted) {
      await rm(folder, { recursive: true, force: true });
      screen.write('stopped; nothing is left running\n');
    } else screen.write(`what was made stays in ${folder}\n`);
    throw error;
  }
}

async function served(stage: Stage, options: DemoOptions): Promise<DemoResult> {
  const { folder, data, progress, signal } = stage;
  const truth = await makeData(stage, { ...PHANTOM, ...options.phantom });
  const state = join(folder, 'state');
  const service = new ServiceProcess({ data, state, log: join(folder, 'service.log') });
  const [work] = await Promise.allSettled([readAndCheck(stage, service, truth, options)]);
  if (signal.aborted) progress.settle('stopping', 'the service is told to close');
  const end = await service.stop();
  if (!signal.aborted && end !== ENDED_WELL) throw service.failure(end);
  if (work.status === 'rejected') throw work.reason;
  await rm(state, { recursive: true, force: true });
  return work.value;
}

async function readAndCheck(
  stage: Stage,
  service: ServiceProcess,
  truth: PhantomTruth,
  options: DemoOptions,
): Promise<DemoResult> {
  const { folder, progress, signal } = stage;
  const reader = new Reader(await service.url(signal), signal);
  await untilReady(stage, reader.url);
  const session = await openSession(stage, reader, options.batchSize ?? 8);
  const { batches, epoch } = await readEpoch(stage, reader, session, options.train ?? playTraining);
  progress.show('checks', `${epoch.pairs} pairs`);
  const checks = checkEpoch(truth, STRUCTURES, batches, await reader.readTimings(session.id));
  progress.settle('checks', checks.every(({ passed }) => passed) ? 'passed' : 'FAILED');
  const picture = join(folder, 'first-batch.png');
  await writeFile(picture, await reader.readOverlay(session.id, 0));
  return { truth, checks, epoch, picture };
}

async function makeData({ data, progress, signal }: Stage, options: PhantomOptions): Promise<PhantomTruth> {
  const startedAt = performance.now();
  const { studies = 1 } = options;
  progress.show('phantom', `${studies} studies`);
  const truth = await makePhantom(data, options, (made) => {
    signal.throwIfAborted();
    progress.show('phantom', `${made}/${studies} studies`, made, studies);
  });
  const images = truth.studies.flatMap((study) => study.images);
  const contours = images.reduce((sum, image) => sum + image.contours.length, 0);
  progress.settle(
    'phantom',
    `${truth.studies.length} studies, ${images.length} images of ${truth.rows} × ${truth.columns}, ` +
      `${contours} contours in ${since(startedAt)} s`,
  );
  return truth;
}

async function untilReady({ progress, signal }: Stage, url: string): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await fetch(`${url}/readyz`, { signal });
    const { scan, missing } = (await answer.json()) as {
      scan: { files: number; read: number; toRead: number; state: string };
      missing: readonly string[];
    };
    if (answer.ok) break;
    if (scan.state === 'failed') throw new Error(missing.join(', '));
    const { files, read, toRead } = scan;
    const far = toRead > 0 ? `${read}/${toRead} files read` : `${files} files seen`;
    progress.show('service', `${missing.join(', ')}: ${far}`, read, toRead);
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
  progress.settle('service', `${url} is ready after ${since(startedAt)} s`);
}

async function openSession({ progress }: Stage, reader: Reader, batchSize: number): Promise<OpenedSession> {
  const session = await reader.openSession({
    structures: STRUCTURES,
    batchSize,
    epochs: 1,
    image: { values: 'stored', dtype: 'uint16' },
  });
  const { id, pairs, stepsPerEpoch, spec } = session;
  progress.settle(
    'session',
    `${id}: ${pairs} pairs in ${stepsPerEpoch} steps of ${spec.batchSize}, structures ${spec.structures.join(' and ')}`,
  );
  return session;
}

async function readEpoch(
  { progress, signal }: Stage,
  reader: Reader,
  session: OpenedSession,
  train: NonNullable<DemoOptions['train']>,
): Promise<{ batches: ReceivedBatch[]; epoch: Epoch }> {
  const batches: ReceivedBatch[] = [];
  const startedAt = performance.now();
  let pairs = 0;
  const sum = () => sumEpoch(batches, pairs, (performance.now() - startedAt) / 1000);
  for (let step = 0; step < session.stepsPerEpoch; step++) {
    const batch = await reader.readBatch(session.id, step);
    batches.push(batch);
    pairs += batch.tensors.get('valid')?.bytes.reduce((count, valid) => count + valid, 0) ?? 0;
    await train(batch, signal);
    progress.show('epoch', describeEpoch(sum(), session.pairs), pairs, session.pairs);
  }
  const epoch = sum();
  progress.settle('epoch', describeEpoch(epoch, session.pairs));
  return { batches, epoch };
}

/** Stands in for a network's step on a batch. */
async function playTraining(_: ReceivedBatch, signal: AbortSignal): Promise<void> {
  await pause(TRAINING_MS, undefined, { signal });
}

function tell(stage: Stage, found: DemoResult, results: Pick<Screen, 'write'>): void {
  const { truth, checks, epoch, picture } = found;
  const failed = checks.filter(({ passed }) => !passed).map(({ name }) => name);
  const [pair = ''] = expectedPairs(truth, STRUCTURES).keys();
  const lines = [
    'Checked against the phantom',
    ...checkLines(checks),
    '',
    'One epoch, with a pause of the trainer after each batch',
    ...summaryTable(epoch),
    '',
    'The first batch as a picture',
    `  ${picture}`,
    '',
  ];
  const ending =
    failed.length > 0
      ? [`The demo failed: ${failed.join(', ')}. Data, picture and service.log stay in ${stage.folder}`]
      : [
          'Try next',
          ...nextCommands(stage.data, pair),
          '',
          `The folder stays; when done: rm -r ${shellWord(stage.folder)}`,
        ];
  results.write(`${[...lines, ...ending].join('\n')}\n`);
}

function since(startedAt: number): string {
  return ((performance.now() - startedAt) / 1000).toFixed(1);
}
