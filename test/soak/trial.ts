import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makePhantom } from '../../src/demo/phantom.js';
import type { OpenedSession } from '../fixtures/client.js';
import { compareUndisturbed } from './comparison.js';
import { Feed } from './feed.js';
import { Ledger } from './ledger.js';
import { below, seededRandom } from './random.js';
import { ServiceProcess } from './service-process.js';
import { specOf } from './specs.js';
import { type SharedSession, train } from './trainer.js';

export interface TrialOptions {
  /** Bodies over all sessions and ranks, at least; epochs are read to their ends. */
  readonly batches: number;
  /** Time is up after so long: epochs that are begun are read to their ends. */
  readonly seconds: number;
  readonly sessions: number;
  readonly world: number;
  readonly loaders: number;
  readonly loaderKillMs: number;
  /** Bodies after which the service is killed. */
  readonly serviceKillBatches: number;
  readonly seed: number;
}

/** How far a trial is. */
export interface TrialProgress {
  readonly bodies: number;
  readonly target: number;
  readonly loaderKills: number;
  readonly serviceKills: number;
  readonly differences: number;
}

/** What became of one session. */
export interface SessionResult {
  readonly session: string;
  readonly pairs: number;
  readonly steps: number;
  readonly epochs: number;
  /** Connections that were lost and asked for anew. */
  readonly lost: number;
  /** Answers that asked to be asked again: 503. */
  readonly busy: number;
  readonly longestMs: number;
  /** Over all audits. */
  readonly missing: number;
  readonly repeated: number;
}

export interface TrialResult extends TrialProgress {
  readonly sessions: readonly SessionResult[];
  /** Bodies that were compared with those of an undisturbed service. */
  readonly compared: number;
  readonly seconds: number;
  readonly told: readonly string[];
}

interface Audit {
  readonly pairs: number;
  readonly delivered: number;
  readonly missing: { readonly count: number };
  readonly repeated: { readonly count: number };
  readonly dropped: { readonly count: number };
  readonly masked: { readonly count: number };
}

/**
 * Reads several sessions by several trainers while loaders and service are killed, and afterwards compares every body with an
 * undisturbed service's, the trainers' own counts with one each, and asks for the audit of every epoch. `folder` is an empty one to work in.
 */
export async function runTrial(
  folder: string,
  options: TrialOptions,
  onProgress: (progress: TrialProgress) => void = () => {},
): Promise<TrialResult> {
  const startedAt = performance.now();
  const data = join(folder, 'data');
  const spool = join(folder, 'spool');
  const foldersOf = (name: string) => {
    mkdirSync(join(folder, name), { recursive: true });
    return { data, state: join(folder, name), spool };
  };
  await makePhantom(data, { studies: 5, slices: 6, phases: 4, rows: 64, columns: 64, seed: options.seed });
  const ledger = new Ledger();
  const random = seededRandom(options.seed);
  const service = await ServiceProcess.start(foldersOf('disturbed'), options.loaders);
  const reading = new AbortController();
  const seen = (): TrialProgress => ({
    bodies: ledger.bodies,
    target: options.batches,
    loaderKills: service.loaderKills,
    serviceKills: service.kills,
    differences: ledger.differences,
  });
  const feed = new Feed(service.url);
  const feeds: Feed[] = [feed];
  try {
    const sessions: SharedSession[] = [];
    for (let number = 0; number < options.sessions; number++)
      sessions.push(await openShared(feed, number, options));
    let restarting: Promise<void> = Promise.resolve();
    let killAt = options.serviceKillBatches;
    const onBody = () => {
      if (ledger.bodies < killAt || reading.signal.aborted) return;
      killAt += options.serviceKillBatches;
      restarting = restarting.then(() => service.killAndRestart());
    };
    const trainers = sessions.flatMap((session) =>
      Array.from({ length: options.world }, (_, rank) => {
        const own = new Feed(service.url);
        feeds.push(own);
        const seed = below(random, 2 ** 32);
        return { session, rank, feed: own, ledger, random: seededRandom(seed), onBody };
      }),
    );
    // On a machine with so much to do that a loader takes longer to start than the next kill takes to come, nobody would get on.
    let bodiesAtKill = -1;
    const killing = every(options.loaderKillMs, reading.signal, () => {
      if (ledger.bodies === bodiesAtKill) return;
      bodiesAtKill = ledger.bodies;
      service.killLoader((count) => below(random, count));
    });
    const telling = every(1000, reading.signal, () => onProgress(seen()));
    const timeUp = setTimeout(() => {
      for (const session of sessions)
        session.endStep = Math.min(session.endStep, (session.begunEpoch + 1) * session.opened.stepsPerEpoch);
    }, options.seconds * 1000);
    try {
      await Promise.all(trainers.map(train));
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${service.lastWords()}`, { cause: error });
    } finally {
      clearTimeout(timeUp);
      reading.abort();
      await Promise.all([killing, telling, restarting.catch(() => {})]);
    }
    await restarting;
    const results: SessionResult[] = [];
    for (const session of sessions) {
      const own = trainers.filter((trainer) => trainer.session === session).map((trainer) => trainer.feed);
      results.push(await resultOf(feed, ledger, session, own));
    }
    const end = await service.stop();
    if (end !== 0) ledger.differ(`the service ended with ${end}: ${service.lastWords()}`);
    const compared = await compareUndisturbed(foldersOf('undisturbed'), sessions, ledger);
    const left = readdirSync(spool);
    if (left.length > 0) ledger.differ(`the services left ${left.join(', ')} in the spool`);
    const seconds = (performance.now() - startedAt) / 1000;
    return { ...seen(), sessions: results, compared, seconds, told: ledger.told };
  } finally {
    service.end();
    for (const one of feeds) one.close();
  }
}

async function openShared(feed: Feed, number: number, options: TrialOptions): Promise<SharedSession> {
  const { batches, sessions, world } = options;
  const json = specOf(number, world);
  const opened = await feed.json<OpenedSession>({ method: 'PUT', path: `/v1/sessions/soak-${number}`, json });
  const epochs = Math.ceil(batches / (sessions * world) / opened.stepsPerEpoch);
  return { opened, world, endStep: epochs * opened.stepsPerEpoch, begunEpoch: 0 };
}

/** Does `work` again and again, that long apart, until it is told to end. */
async function every(ms: number, signal: AbortSignal, work: () => void): Promise<void> {
  while (!signal.aborted) {
    await pause(ms, undefined, { signal }).catch(() => {});
    if (!signal.aborted) work();
  }
}

async function resultOf(
  feed: Feed,
  ledger: Ledger,
  { opened, endStep }: SharedSession,
  feeds: readonly Feed[],
): Promise<SessionResult> {
  const { id, pairs, stepsPerEpoch } = opened;
  const epochs = endStep / stepsPerEpoch;
  let missing = 0;
  let repeated = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const audit = await feed.json<Audit>({ path: `/v1/sessions/${id}/audit?epoch=${epoch}` });
    missing += audit.missing.count;
    repeated += audit.repeated.count;
    const trained = ledger.trained(id, epoch);
    const wanted = pairs - audit.dropped.count;
    const { dropped, masked, delivered } = audit;
    if (trained !== wanted || delivered !== wanted || audit.missing.count + audit.repeated.count > 0)
      ledger.differ(
        `${id} epoch ${epoch}: ${trained} pairs trained on, ${wanted} planned; its audit has ${delivered} delivered, ${audit.missing.count} missing, ${audit.repeated.count} repeated`,
      );
    if (masked.count > 0) ledger.differ(`${id} epoch ${epoch}: ${masked.count} pairs are masked`);
    if (dropped.count !== droppedBy(opened))
      ledger.differ(
        `${id} epoch ${epoch}: ${dropped.count} pairs are dropped in place of ${droppedBy(opened)}`,
      );
  }
  const sum = (of: (one: Feed) => number) => feeds.reduce((total, one) => total + of(one), 0);
  return {
    session: id,
    pairs,
    steps: endStep,
    epochs,
    lost: sum((one) => one.lost),
    busy: sum((one) => one.busy),
    longestMs: Math.max(...feeds.map((one) => one.longestMs)),
    missing,
    repeated,
  };
}

function droppedBy({ pairs, spec }: OpenedSession): number {
  return spec.lastBatch === 'drop' ? pairs % Number(spec.batchSize) : 0;
}
