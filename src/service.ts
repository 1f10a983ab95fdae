import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Checksums } from './catalog/checksums.js';
import { Quality } from './catalog/quality.js';
import { Quarantine } from './catalog/quarantine.js';
import { openDatabase } from './catalog/schema.js';
import { SlotSources } from './catalog/slot-sources.js';
import { presentStudies, problemCounts } from './catalog/studies.js';
import { Uploads } from './catalog/uploads.js';
import type { Config } from './config.js';
import { Ending } from './ending.js';
import type { Engine } from './engine/engine.js';
import { LocalEngine } from './engine/local.js';
import { explainFolder } from './folder-error.js';
import { Journal } from './journal.js';
import { DecodedKeeper } from './loader/decoded-keeper.js';
import { loaderLimits } from './loader/limits.js';
import { objectPlacer } from './loader/place-objects.js';
import { LoaderPool } from './loader/pool.js';
import type { Queued } from './loader/queue.js';
import { filesReader } from './loader/read-files.js';
import { sharedMemory } from './loader/shared-memory.js';
import { Spool, spoolBase } from './loader/spool.js';
import { supervise } from './loader/supervise.js';
import { Metrics } from './metrics.js';
import type { Screen } from './progress.js';
import { missingOf } from './readiness.js';
import { Scans } from './scans.js';
import { Gate } from './sessions/gate.js';
import { Sessions } from './sessions/sessions.js';
import { type Delivered, isDelivered, type SessionStore } from './sessions/store.js';
import { SessionSummaries } from './sessions/summaries.js';
import { Verdicts } from './sessions/verdicts.js';
import { checkFolder } from './sources/folder.js';
import { locator, uploadFolders } from './sources/place.js';
import { closeSqlite, type Database } from './sqlite.js';
import { liesIn, takeStateFolder } from './state-folder.js';
import { Sweeps } from './sweeps.js';
import { SendBuffers } from './wire/buffers.js';

/** The most pictures and single pairs that are made at a time. */
const PICTURES_AT_A_TIME = 4;
/** How long tasks under way may go on when the service ends, and how long it waits for its loaders in all. */
const CLOSE_GRACE_MS = 3_000;
const LOADERS_END_MS = 6_000;
/** The limit for a part that has nothing to wait for. */
const QUICK_MS = 1_500;
const LOOK_EVERY_MS = 1_000;
/** The background's loader gets what processor time the others leave. */
const BACKGROUND_NICENESS = 10;
/** For a part of a zip, which may be one file of the largest size. */
const UNPACK_TIMEOUT_MS = 120_000;

/** Everything behind the HTTP edge, in the order of the way of a batch. */
export interface Service {
  readonly config: Config;
  readonly db: Database;
  readonly pool: LoaderPool;
  readonly spool: Spool;
  readonly buffers: SendBuffers;
  readonly engine: Engine;
  readonly quarantine: Quarantine;
  readonly verdicts: Verdicts;
  readonly quality: Quality;
  readonly metrics: Metrics;
  readonly summaries: SessionSummaries;
  readonly sessions: Sessions;
  readonly uploads: Uploads;
  readonly slotSources: SlotSources;
  /** The queue of pictures and single pairs; trainers go first. */
  readonly pictures: Gate;
  readonly scans: Scans;
  /**
   * Ends the parts in order: new loads, loaders, spool, deliveries, database, lock. Rejects at the end if one
   * did not end well.
   */
  close(): Promise<void>;
}

export interface ServiceOptions {
  /** The loaders' program; tests hand in one that holds its tasks. */
  readonly loaderMain?: string;
  readonly loaderEnv?: Record<string, string>;
  /** Where scans show how far they are, if it is a terminal; else the log says so. */
  readonly screen?: Screen;
  /** Called once when the state folder no longer belongs to the service, which can't go on then. */
  readonly onLost?: () => void;
}

/**
 * Starts the inside of the service; the first scan runs in the background. If it can't start, it releases
 * everything that it took and rejects with an error for people.
 */
export async function startService(
  config: Config,
  log: Logger,
  options: ServiceOptions = {},
): Promise<Service> {
  const ending = new Ending(log);
  try {
    return assemble(config, log, options, ending);
  } catch (error) {
    // The log has the parts that did not end well; the start's own failure is the error to throw.
    await ending.run().catch(() => {});
    throw error;
  }
}

/** Puts the parts together, each with the function that ends it. */
function assemble(config: Config, log: Logger, options: ServiceOptions, ending: Ending): Service {
  checkFolder(config.data);
  const lock = takeStateFolder(config.state, log);
  ending.add('lock', QUICK_MS, () => lock.release());
  if (liesIn(config.state, config.data))
    log.warn(
      { state: config.state, data: config.data },
      'the state folder lies in the data folder: choose another with SLICEFEED_STATE',
    );
  const db = openDatabase(config.state);
  ending.add('database', QUICK_MS, () => closeSqlite(db));
  const journal = new Journal<Delivered>(join(config.state, 'deliveries'), isDelivered);
  if (journal.setAside > 0)
    log.error(
      { lines: journal.setAside },
      'deliveries that cannot be read are set aside in deliveries.damaged',
    );
  let store: SessionStore | null = null;
  ending.add('deliveries', QUICK_MS, () => (store ?? journal).close());
  const base = spoolBase(config.spool, config.state, config.budgetBytes);
  const spool = explainFolder('spool', base, () => new Spool(base, config.budgetBytes, sharedMemory()));
  ending.add('spool', QUICK_MS, () => spool.close());
  const buffers = new SendBuffers((bytes) => spool.charge(bytes));
  const decodedFolder = join(config.state, 'decoded');
  const keeper =
    config.decodeCacheBytes === 0
      ? null
      : new DecodedKeeper({
          folder: decodedFolder,
          limitBytes: config.decodeCacheBytes,
          inUse: () => engine.sources(),
          log,
        });
  if (keeper) {
    ending.add('decoded frames', QUICK_MS, () => keeper.close());
    keeper.open();
  } else rmSync(decodedFolder, { recursive: true, force: true });
  const makePool = (size: number, niceness: number) =>
    new LoaderPool({
      size,
      niceness,
      memoryBytes: config.loaderMemoryBytes,
      limits: { ...loaderLimits(config.loaderMemoryBytes), segmentFraction: config.segmentFraction },
      decodedFolder: keeper && decodedFolder,
      sharesSegments: spool.isShared,
      onDeath: (cause) => metrics.loaderDeaths.inc({ cause }),
      onDecodes: (tally) => {
        keeper?.add(tally);
        metrics.decodes.inc({ result: 'hit' }, tally.hits);
        metrics.decodes.inc({ result: 'miss' }, tally.misses);
      },
      log,
      ...(options.loaderMain === undefined ? {} : { main: options.loaderMain }),
      ...(options.loaderEnv === undefined ? {} : { env: options.loaderEnv }),
    });
  // This work ends with the loaders that do it.
  const underWay: (() => Promise<unknown>)[] = [];
  ending.add('work', QUICK_MS, () => Promise.all(underWay.map((end) => end())));
  const pool = makePool(config.loaders, 0);
  // Pictures and late checksums keep no trainer waiting: they have a loader of their own, made when the first one is wanted.
  let behind: LoaderPool | null = null;
  const background = () => {
    behind ??= makePool(1, BACKGROUND_NICENESS);
    return behind;
  };
  ending.add('loaders', LOADERS_END_MS, () =>
    Promise.all([pool.close(CLOSE_GRACE_MS), behind?.close(CLOSE_GRACE_MS)]),
  );
  const engine = new LocalEngine({
    pool,
    spool,
    log,
    pairTimeoutMs: config.pairTimeoutMs,
    pictures: background,
    onLoaded: (ms) => metrics.load.observe(ms / 1000),
  });
  const readFilesWith = (by: () => LoaderPool, as: Queued = { priority: 'scan', turn: 'scan' }) =>
    filesReader(by, config.pairTimeoutMs, as);
  const placeWith = (as: Queued) => objectPlacer(() => pool, config.pairTimeoutMs, as);
  const folders = uploadFolders(config.state);
  const locate = locator(config.data, folders.kept);
  const uploads = new Uploads({
    db,
    folders,
    limits: config.uploads,
    atOnce: config.uploadsAtOnce,
    planeToleranceMm: config.planeToleranceMm,
    loaders: {
      // Somebody waits for what an upload holds, as trainers do for their batches.
      scan: readFilesWith(() => pool, { priority: 'asked', turn: 'uploads' }),
      place: placeWith({ priority: 'asked', turn: 'uploads' }),
      unpack: async (unit) => {
        const task = { kind: 'unpack' as const, units: [unit] };
        const options = { priority: 'scan' as const, turn: 'unpack', deadlineMs: UNPACK_TIMEOUT_MS };
        const [outcome] = await supervise<'unpack'>(background(), task, options).outcomes;
        return outcome!.kind === 'lethal'
          ? { kind: 'refused', isLimit: false, detail: `the zip ended its loader (${outcome!.cause})` }
          : outcome!;
      },
    },
    onGone: ({ root, path }) => keeper?.forget(root, path),
    log,
  });
  const quarantine = new Quarantine(db);
  const verdicts = new Verdicts(db);
  const checksums = new Checksums(db, locate, readFilesWith(background));
  const quality = new Quality({
    db,
    locate,
    quarantine,
    limits: config.findingLimits,
    containments: config.containments,
    measureSlices: async (units, containments) => {
      const task = { kind: 'measure' as const, containments, units };
      const { outcomes } = supervise<'measure'>(pool, task, {
        priority: 'scan',
        turn: 'quality',
        deadlineMs: config.pairTimeoutMs,
      });
      return (await outcomes).map((outcome) => (outcome.kind === 'lethal' ? null : outcome));
    },
  });
  const slotSources = new SlotSources(db, locate);
  const sweeps = new Sweeps({ db, snapshotDays: config.snapshotDays, log });
  const sessions = new Sessions({
    onOpened: (snapshot) => checksums.add(snapshot),
    onLeft: () => sweeps.left(),
    db,
    journal,
    quarantine,
    verdicts,
    engine,
    spool,
    log,
    slotSources,
    idleMs: config.sessionIdleMs,
    batchBytesLimit: config.batchBytesLimit,
    specBytesLimit: config.specBytesLimit,
    sessionsOfToken: config.sessionsOfToken,
  });
  const summaries = new SessionSummaries(log);
  ending.add('summaries', QUICK_MS, () => summaries.write());
  store = sessions.store;
  ending.add('sessions', QUICK_MS, () => sessions.close());
  const metrics = new Metrics({
    ready: () => missingOf(scans, pool, spool).length === 0,
    scanFiles: () => scans.progress.files,
    studies: () => presentStudies(db).length,
    problems: () => problemCounts(db),
    sessions: () => sessions.liveCount,
    warmBatches: () => sessions.warmCount,
    reservedBytes: () => sessions.reservedBytes,
    budgetBytes: () => config.budgetBytes,
    spoolBytes: () => spool.usedBytes,
    uploadsUnderWay: () => uploads.underWay,
    loadersReady: () => pool.readyCount,
    loadersWanted: () => pool.size,
    loaderMemoryBytes: () => pool.memoryBytes + (behind?.memoryBytes ?? 0),
    quarantined: () => quarantine.list().length,
    decodeCacheBytes: () => keeper?.bytes ?? 0,
  });
  const scans = new Scans({
    config,
    db,
    uploads,
    loaders: { scan: readFilesWith(() => pool), place: placeWith({ priority: 'scan', turn: 'scan' }) },
    sweep: () => sweeps.afterScan(),
    without: () => [config.state, spool.folder],
    screen: options.screen ?? null,
    onEnded: (result, ms) => {
      metrics.scans.inc({ result });
      metrics.scanSeconds.set(ms / 1000);
    },
    log,
  });
  underWay.push(
    () => engine.close(),
    () => uploads.close(),
    () => checksums.stop(),
    () => quality.stop(),
    () => scans.stop(),
    () => sweeps.stop(),
  );
  ending.add('scans', QUICK_MS, () => {
    // Their loaders end next, so their failures need no report.
    void scans.stop();
    void sweeps.stop();
    void checksums.stop();
  });
  const watch = setInterval(() => {
    spool.look();
    if (lock.holds()) return;
    clearInterval(watch);
    log.fatal({ state: config.state }, 'the state folder was removed or replaced: the service ends');
    options.onLost?.();
  }, LOOK_EVERY_MS).unref();
  ending.add('watch', QUICK_MS, () => clearInterval(watch));
  return {
    config,
    db,
    pool,
    spool,
    buffers,
    engine,
    quarantine,
    verdicts,
    quality,
    metrics,
    summaries,
    sessions,
    uploads,
    slotSources,
    pictures: new Gate(PICTURES_AT_A_TIME, 'too many pictures and single pairs are being made: ask again'),
    scans,
    close: () => ending.run(),
  };
}
