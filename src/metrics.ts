import type { Server } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { BYTES_VERSION } from './core/bytes-version.js';
import { ERRORS } from './errors.js';
import { VERSION } from './version.js';

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const BYTES = [1e4, 1e5, 5e5, 1e6, 5e6, 1e7, 5e7, 1e8, 5e8];

/** The state of the parts of the service, read each time the metrics are asked for. */
export interface Gauges {
  /** Whether the catalogue is scanned and a loader is ready. */
  readonly ready: () => boolean;
  /** Files that the scan under way, or else the last one, has seen. */
  readonly scanFiles: () => number;
  readonly studies: () => number;
  /** Problems of the catalogue by their code. */
  readonly problems: () => ReadonlyMap<string, number>;
  readonly sessions: () => number;
  readonly warmBatches: () => number;
  /** Bytes that sessions in use have reserved of the budget. */
  readonly reservedBytes: () => number;
  readonly budgetBytes: () => number;
  readonly spoolBytes: () => number;
  readonly uploadsUnderWay: () => number;
  readonly loadersReady: () => number;
  readonly loadersWanted: () => number;
  /** Memory of all loaders, without the segments that they have mapped. */
  readonly loaderMemoryBytes: () => number;
  readonly quarantined: () => number;
  readonly decodeCacheBytes: () => number;
}

/** The measurements of the service; names and labels hold no id of a study, session or pair. */
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
  /** Frames of compressed images by where they came from; by `result`: hit (kept from before) or miss (decoded). */
  readonly decodes: Counter<'result'>;
  /** Answers by HTTP status, and by `code`: that of an error, else empty. */
  readonly answers: Counter<'status' | 'code'>;
  /** Scans by `result`: done or failed. */
  readonly scans: Counter<'result'>;
  /** Seconds that the last scan took. */
  readonly scanSeconds: Gauge;
  /** Uploads to POST /v1/masks by `result`: sent, left (by their reader or sender), refused. */
  readonly maskUploads: Counter<'result'>;
  /** Uploads to POST /v1/studies by `result`: created, present (the same content was there), refused. */
  readonly uploads: Counter<'result'>;
  /**
   * Loaders that ended without a plan, by `cause`: by themselves, for their deadline or memory, or killed
   * from outside.
   */
  readonly loaderDeaths: Counter<'cause'>;
  /** When the certificate expires, in seconds since 1970; not set without TLS. */
  readonly certificateExpiry: Gauge;
  #listener: Server | null = null;

  constructor(gauges: Gauges) {
    collectDefaultMetrics({ register: this.registry });
    this.wait = this.#histogram(
      'batch_wait_seconds',
      'from the request for a batch to the batch being there',
      {
        labelNames: ['warm'],
        buckets: SECONDS,
      },
    );
    for (const warm of ['hit', 'miss']) this.wait.zero({ warm });
    this.load = this.#histogram('batch_load_seconds', 'loading one batch', { buckets: SECONDS });
    this.send = this.#histogram('batch_send_seconds', 'sending one body', { buckets: SECONDS });
    this.bytes = this.#histogram('batch_bytes', 'size of a body', { buckets: BYTES });
    this.delivered = this.#counter('batches_delivered_total', 'bodies sent whole');
    this.aborted = this.#counter('batches_aborted_total', 'bodies the reader left');
    this.decodes = this.#counter(
      'decode_cache_frames_total',
      'frames of compressed images, kept from before (hit) or decoded (miss)',
      { result: ['hit', 'miss'] },
    );
    this.answers = this.#counter('http_answers_total', 'answers sent', {
      status: [],
      code: [],
    });
    // An alert on the increase of a series misses what its first value counts.
    for (const [code, { status }] of Object.entries(ERRORS))
      if (status >= 500) this.answers.inc({ status, code }, 0);
    this.scans = this.#counter('scans_total', 'scans that ended, done or failed', {
      result: ['done', 'failed'],
    });
    this.uploads = this.#counter(
      'uploads_total',
      'uploads to POST /v1/studies: created, present already, or refused',
      { result: ['created', 'present', 'refused'] },
    );
    this.maskUploads = this.#counter(
      'mask_uploads_total',
      'uploads to POST /v1/masks whose answer was sent, whose reader left, or that were refused',
      { result: ['sent', 'left', 'refused'] },
    );
    this.loaderDeaths = this.#counter('loader_deaths_total', 'loaders whose end was not planned', {
      cause: ['crash', 'deadline', 'memory', 'outside'],
    });
    this.scanSeconds = this.#gauge('scan_seconds', 'time that the last scan took');
    this.certificateExpiry = this.#gauge(
      'certificate_expiry_timestamp_seconds',
      'when the certificate expires, in seconds since 1970; 0 without TLS',
    );
    this.#gauge('build_info', 'always 1; the labels name the release', [
      'version',
      'bytes_version',
      'node',
    ]).set({ version: VERSION, bytes_version: BYTES_VERSION, node: process.versions.node }, 1);
    this.#read('ready', '1 when the catalogue is scanned and a loader is ready', () =>
      Number(gauges.ready()),
    );
    this.#read('scan_files', 'files seen by the last scan', gauges.scanFiles);
    this.#read('studies', 'studies of the catalogue', gauges.studies);
    this.#read('sessions', 'sessions that hold memory', gauges.sessions);
    this.#read('warm_batches', 'batches loaded and waiting', gauges.warmBatches);
    this.#read('budget_bytes', 'the memory budget for batches', gauges.budgetBytes);
    this.#read('reserved_bytes', 'bytes of the budget that sessions have reserved', gauges.reservedBytes);
    this.#read('spool_bytes', 'bytes of all segments', gauges.spoolBytes);
    this.#read('uploads_under_way', 'uploads that hold a place', gauges.uploadsUnderWay);
    this.#read('loaders_ready', 'loaders that work', gauges.loadersReady);
    this.#read('loaders_wanted', 'loaders that should work', gauges.loadersWanted);
    this.#read('loader_memory_bytes', 'memory of all loaders', gauges.loaderMemoryBytes);
    this.#read('decode_cache_bytes', 'bytes of decoded frames on disk', gauges.decodeCacheBytes);
    this.#read('quarantined_pairs', 'pairs in quarantine', gauges.quarantined);
    this.#gauge('problems', 'problems of the catalogue', ['code'], (gauge) => {
      gauge.reset();
      for (const [code, count] of gauges.problems()) gauge.set({ code }, count);
    });
    this.#gauge('connections', 'open connections', [], async (gauge) => gauge.set(await this.#connections()));
  }

  /** Counts the connections of a server from this call on. */
  watch(listener: Server): void {
    this.#listener = listener;
  }

  #connections(): Promise<number> {
    return new Promise((resolve) => {
      if (!this.#listener) resolve(0);
      else this.#listener.getConnections((_, count) => resolve(count ?? 0));
    });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    { buckets, labelNames = [] }: { buckets: number[]; labelNames?: Label[] },
  ): Histogram<Label> {
    return new Histogram({
      name: `slicefeed_${name}`,
      help,
      buckets,
      labelNames,
      registers: [this.registry],
    });
  }

  /** A counter; with one label its known values begin at 0, so that a rate has a first value. */
  #counter<Label extends string>(
    name: string,
    help: string,
    labels = {} as Record<Label, readonly string[]>,
  ): Counter<Label> {
    const labelNames = Object.keys(labels) as Label[];
    const counter = new Counter({ name: `slicefeed_${name}`, help, labelNames, registers: [this.registry] });
    const [only] = labelNames;
    if (only !== undefined)
      for (const value of labels[only]) counter.inc({ [only]: value } as Record<Label, string>, 0);
    return counter;
  }

  #gauge<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
    collect: (gauge: Gauge<Label>) => unknown = () => {},
  ): Gauge<Label> {
    return new Gauge({
      name: `slicefeed_${name}`,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        await collect(this);
      },
    });
  }

  #read(name: string, help: string, value: () => number): void {
    this.#gauge(name, help, [], (gauge) => gauge.set(value()));
  }
}
