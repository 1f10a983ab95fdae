import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Logger } from 'pino';
import { Checksums } from './catalog/checksums.js';
import { prune } from './catalog/prune.js';
import { Quality } from './catalog/quality.js';
import { Quarantine } from './catalog/quarantine.js';
import { SCAN_DEFAULTS, type ScanProgress, type ScanResult, scanFolder } from './catalog/scan.js';
import { openDatabase } from './catalog/schema.js';
import { SlotSources } from './catalog/slot-sources.js';
import { presentStudies, problemCounts } from './catalog/studies.js';
import { Uploads } from './catalog/uploads.js';
import type { Config } from './config.js';
import type { Engine } from './engine/engine.js';
import { LocalEngine } from './engine/local.js';
import { Journal } from './journal.js';
import { DecodedKeeper } from './loader/decoded-keeper.js';
import { loaderLimits } from './loader/limits.js';
import { LoaderPool } from './loader/pool.js';
import type { Queued } from './loader/queue.js';
import { filesReader } from './loader/read-files.js';
import { sharedMemory } from './loader/shared-memory.js';
import { Spool, spoolBase } from './loader/spool.js';
import { supervise } from './loader/supervise.js';
import { takeLock } from './lock.js';
import { Metrics } from './metrics.js';
import type { Screen } from './progress.js';
import { tellOfScan } from './scan-telling.js';
import { Sessions } from './sessions/sessions.js';
import { SessionSummaries } from './sessions/summaries.js';
import { Verdicts } from './sessions/verdicts.js';
import { checkFolder } from './sources/folder.js';
import { locator, uploadFolders } from './sources/place.js';
import { closeSqlite, type Database } from './sqlite.js';
import { SendBuffers } from './wire/buffers.js';

const CLOSE_GRACE_MS = 5_000;
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
  /** How far the scan under way, or the last one, is. */
  readonly scan: Readonly<ScanProgress>;
  /** Whether a scan has ended well since the start. */
  readonly scanned: boolean;
  /** Resolves when the first scan has ended; rejects where it failed. */
  firstScan(): Promise<void>;
  /** Looks at the sources again; one scan at a time, who asks meanwhile gets the next one. */
  rescan(): Promise<ScanResult>;
  /** Ends in phases: no new loads, loaders, warm batches, spool, database. */
  close(): Promise<void>;
}

export interface ServiceOptions {
  /** The loaders' program; tests hand in one that holds its tasks. */
  readonly loaderMain?: string;
  readonly loaderEnv?: Record<string, string>;
  /** Where scans show how far they are, if it is a terminal; else the log says so. */
  readonly screen?: Screen;
}

/** Starts the inside of the service; the first scan runs in the background. Throws an error for people when it can't start. */
export function startService(config: Config, log: Logger, options: ServiceOptions = {}): Service {
  checkFolder(config.data);
  mkdirSync(config.state, { recursive: true, mode: 0o700 });
  if ((statSync(config.state).mode & 0o077) !== 0)
    log.warn({ state: config.state }, 'others may look into the state folder');
  const lock = takeLock(join(config.state, 'lock'));
  if (!lock)
    throw new Error(
      `another slicefeed uses the state folder ${config.state}: stop it, or name another with --state`,
    );
  const db = openDatabase(config.state);
  const spool = new Spool(
    spoolBase(config.spool, config.state, config.budgetBytes),
    config.budgetBytes,
    sharedMemory(),
  );
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
  if (keeper) keeper.open();
  else rmSync(decodedFolder, { recursive: true, force: true });
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
  const pool = makePool(config.loaders, 0);
  // Pictures and late checksums keep no trainer waiting: they have a loader of their own, made when the first one is wanted.
  let behind: LoaderPool | null = null;
  const background = () => {
    behind ??= makePool(1, BACKGROUND_NICENESS);
    return behind;
  };
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
  const sessions = new Sessions({
    onOpened: (snapshot) => checksums.add(snapshot),
    db,
    journal: new Journal(join(config.state, 'deliveries')),
    quarantine,
    verdicts,
    engine,
    spool,
    log,
    slotSources,
    idleMs: config.sessionIdleMs,
    batchBytesLimit: config.batchBytesLimit,
  });
  const summaries = new SessionSummaries(log);
  const metrics = new Metrics({
    ready: () => scanned && pool.readyCount > 0,
    scanFiles: () => scan.files,
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
  let scan: ScanProgress = { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 };
  let scanned = false;
  let closing = false;
  const scanOnce = async (): Promise<ScanResult> => {
    scan = { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 };
    const startedAt = performance.now();
    const told = tellOfScan(scan, log, options.screen ?? null);
    try {
      const uploaded = await uploads.resync();
      const inFolder = await scanFolder(
        db,
        config.data,
        readFilesWith(() => pool),
        scan,
        log,
        {
          ...SCAN_DEFAULTS,
          planeToleranceMm: config.planeToleranceMm,
          segmentFraction: config.segmentFraction,
          // They may lie below the data, and hold uploads.
          without: [config.state, spool.folder].map((folder) => relative(config.data, folder)),
        },
      );
      scanned = true;
      const result = {
        changed: inFolder.changed,
        added: inFolder.added + uploaded.added,
        removed: inFolder.removed + uploaded.removed,
      };
      await prune(db, config.snapshotDays, Date.now());
      const { files, read, studies } = scan;
      const ms = Math.round(performance.now() - startedAt);
      log.info({ files, read, studies, ...result, ms }, 'scan done');
      metrics.scans.inc({ result: 'done' });
      metrics.scanSeconds.set(ms / 1000);
      return result;
    } catch (error) {
      scan.state = 'failed';
      metrics.scans.inc({ result: 'failed' });
      if (!closing) log.error({ err: error }, 'scan failed');
      throw error;
    } finally {
      told();
    }
  };
  const first = scanOnce().then(() => {});
  let last: Promise<unknown> = first.catch(() => {});
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
    get scan() {
      return scan;
    },
    get scanned() {
      return scanned;
    },
    firstScan: () => first,
    rescan() {
      const next = last.then(scanOnce);
      last = next.catch(() => {});
      return next;
    },
    async close() {
      closing = true;
      summaries.write();
      sessions.close();
      const filled = checksums.stop();
      await Promise.all([pool.close(CLOSE_GRACE_MS), behind?.close(CLOSE_GRACE_MS)]);
      await Promise.all([engine.close(), uploads.close(), filled, keeper?.close()]);
      await Promise.all([last, quality.stop()]);
      spool.close();
      sessions.store.close();
      closeSqlite(db);
      lock.release();
    },
  };
}
