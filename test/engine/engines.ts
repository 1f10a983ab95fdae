import { type BatchLayout, batchLayout } from '../../src/core/layout.js';
import type { BatchOrder } from '../../src/engine/engine.js';
import type { FlightOptions } from '../../src/engine/flight.js';
import { LocalEngine } from '../../src/engine/local.js';
import type { LoadUnit } from '../../src/loader/messages.js';
import type { LoaderPool, PoolOptions } from '../../src/loader/pool.js';
import { Spool } from '../../src/loader/spool.js';
import { temporaryFolder } from '../helper.js';
import { type Latches, type LogLine, script, startLatches, startPool } from '../loader/scripted.js';
import { recipe, sealed, writeImage } from '../loader/sources.js';

type Test = Parameters<typeof temporaryFolder>[0];

/** Options of the engine and its pool; what is not said has a default that fits a test. */
interface Setting extends Partial<Omit<FlightOptions, 'pool' | 'spool'>> {
  readonly budgetBytes?: number;
  readonly pool?: Partial<PoolOptions>;
}

/** An engine over scripted loaders, a spool of its own and a log in memory. */
export async function start(
  t: Test,
  { budgetBytes = 1024 ** 2, pool: poolOptions = {}, ...options }: Setting = {},
) {
  const latches = await startLatches(t);
  const { pool, lines } = await startPool(t, { env: latches.env, ...poolOptions });
  const spool = new Spool(temporaryFolder(t), budgetBytes);
  t.teardown(() => spool.close());
  const log = {
    debug: (fields: object, msg: string) => lines.push({ ...fields, msg }),
    warn: (fields: object, msg: string) => lines.push({ ...fields, msg }),
    error: (fields: object, msg: string) => lines.push({ ...fields, msg }),
  } as unknown as FlightOptions['log'];
  const loaded: number[] = [];
  const engine = new LocalEngine({
    pool,
    spool,
    pictures: () => pool,
    onLoaded: (ms) => loaded.push(ms),
    log,
    pairTimeoutMs: 20_000,
    ...options,
  });
  return { engine, pool, spool, latches, lines, loaded };
}

/** The layout of so many slots of 2 × 3. */
export function layoutOf(slots: number): BatchLayout {
  return batchLayout({
    slots,
    channels: 1,
    rows: 2,
    columns: 3,
    structures: 1,
    imageDtype: 'int16',
    maskDtype: 'bool',
  });
}

/** What a batch of one slot takes. */
export const SEGMENT_BYTES = layoutOf(1).sizeBytes;

/** A batch whose slots do what is said, for the scripted loader. */
export function order(
  t: Test,
  name: string,
  does: readonly string[] = ['fine'],
): BatchOrder & { readonly asked: { times: number } } {
  const source = writeImage(temporaryFolder(t), 'a.dcm', {
    rows: 2,
    columns: 3,
    pixels: Uint16Array.of(1, 2, 3, 4, 5, 6),
  });
  const layout = layoutOf(does.length);
  const asked = { times: 0 };
  return {
    key: name,
    turn: 'session',
    label: { batch: name },
    layout,
    segmentBytes: layout.sizeBytes,
    recipe: recipe(),
    isReserved: true,
    units() {
      asked.times++;
      return does.map(
        (path, slot): LoadUnit => ({
          slot,
          place: slot,
          source: sealed({ source: { ...source, path }, extents: [{ regions: [], rasters: [] }] }),
        }),
      );
    },
    asked,
  };
}

/** The batches whose load began, in that order. */
export function started(lines: readonly LogLine[]): unknown[] {
  return lines.filter(({ msg }) => msg === 'load started').map(({ batch }) => batch);
}

/** Keeps the only loader busy until released. */
export async function occupy(pool: LoaderPool, latches: Latches): Promise<() => Promise<void>> {
  const job = pool.submit<'scan'>(script('hold:busy'), { priority: 'asked', turn: 'x', deadlineMs: 20_000 });
  const held = await latches.held('busy');
  return async () => {
    held.release();
    await job.outcomes;
  };
}
