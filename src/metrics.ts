import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const BYTES = [1e4, 1e5, 5e5, 1e6, 5e6, 1e7, 5e7, 1e8, 5e8];

/** What gauges read when they are asked for. */
export interface Gauges {
  readonly sessions: () => number;
  readonly warmBatches: () => number;
  readonly spoolBytes: () => number;
  readonly loadersReady: () => number;
  readonly loaderRestarts: () => number;
  readonly quarantined: () => number;
  readonly decodeCacheBytes: () => number;
}

/** What the service measures of itself; names and labels hold no id of a study, session or pair. */
export class Metrics {
  readonly registry = new Registry();
  /** Seconds between a request for a batch and the batch being there; by `warm`: hit or miss. */
  readonly wait: Histogram<'warm'>;
  /** Seconds from a loader's first move to the batch being loaded. */
  readonly load: Histogram;
  /** Seconds from the first byte to the last. */
  readonly send: Histogram;
  /** Bytes of each body. */
  readonly bytes: Histogram;
  readonly delivered: Counter;
  /** Bodies that the reader left. */
  readonly aborted: Counter;
  /** Uploads to POST /v1/masks by `result`: sent, left (by their reader or sender), refused. */
  readonly maskUploads: Counter<'result'>;
  /** Frames of compressed images by where they came from; by `result`: hit (kept from before) or miss (decoded). */
  readonly decodes: Counter<'result'>;

  constructor(gauges: Gauges) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry, prefix: 'slicefeed_' });
    const seconds = (name: string, help: string) =>
      new Histogram({ name: `slicefeed_${name}_seconds`, help, buckets: SECONDS, registers });
    this.wait = new Histogram({
      name: 'slicefeed_batch_wait_seconds',
      help: 'from the request for a batch to the batch being there',
      labelNames: ['warm'],
      buckets: SECONDS,
      registers,
    });
    this.load = seconds('batch_load', 'loading one batch');
    this.send = seconds('batch_send', 'sending one body');
    this.bytes = new Histogram({
      name: 'slicefeed_batch_bytes',
      help: 'size of a body',
      buckets: BYTES,
      registers,
    });
    this.delivered = new Counter({
      name: 'slicefeed_batches_delivered_total',
      help: 'bodies sent whole',
      registers,
    });
    this.aborted = new Counter({
      name: 'slicefeed_batches_aborted_total',
      help: 'bodies the reader left',
      registers,
    });
    this.maskUploads = new Counter({
      name: 'slicefeed_mask_uploads_total',
      help: 'uploads to POST /v1/masks whose answer was sent, whose reader left, or that were refused',
      labelNames: ['result'],
      registers,
    });
    for (const result of ['sent', 'left', 'refused']) this.maskUploads.inc({ result }, 0);
    this.decodes = new Counter({
      name: 'slicefeed_decode_cache_frames_total',
      help: 'frames of compressed images, kept from before (hit) or decoded (miss)',
      labelNames: ['result'],
      registers,
    });
    for (const result of ['hit', 'miss']) this.decodes.inc({ result }, 0);
    const read = (name: string, help: string, value: () => number) =>
      new Gauge({
        name: `slicefeed_${name}`,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    read('sessions', 'sessions that hold memory', gauges.sessions);
    read('warm_batches', 'batches loaded and waiting', gauges.warmBatches);
    read('spool_bytes', 'bytes of all segments', gauges.spoolBytes);
    read('loaders_ready', 'loaders that work', gauges.loadersReady);
    read('loader_restarts', 'loaders replaced since the start', gauges.loaderRestarts);
    read('decode_cache_bytes', 'bytes of decoded frames on disk', gauges.decodeCacheBytes);
    read('quarantined_pairs', 'pairs in quarantine', gauges.quarantined);
  }
}
