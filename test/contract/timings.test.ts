import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { VERSION } from '../../src/version.js';
import { ask, getBody } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { type Feed, openFeed, until } from '../fixtures/feed.js';
import { holdTasks } from '../fixtures/hold.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder);

const SPEC = { studies: ['ANN-1', 'CYD', 'FAY', 'GUS'], batchSize: 2, seed: 1 };

/** Waits as a trainer does whose step is longer than a load: until the next batch is there. */
function step(feed: Feed, warm = 1): Promise<void> {
  return until(async () => (await feed.look()).warm === warm);
}

t.test('a reader whose step is longer than a load waits for nothing after the first', async (t) => {
  const server = await startClosable(t, folder);
  const feed = await openFeed(server.url, SPEC);
  await feed.body(0);
  const warm = [];
  // Twelve steps: over the ends of two epochs.
  for (let n = 1; n <= 12; n++) {
    await step(feed);
    warm.push((await ask(`${feed.url}/batches/${n}`)).headers.get('slicefeed-warm'));
  }
  t.strictSame(warm, Array(12).fill('hit'));
  const { hits, misses } = await feed.look();
  t.equal(hits + misses, 13);
  t.ok(misses <= 1, 'the first at most');
});

t.test('so does each of several ranks, with next', async (t) => {
  const server = await startClosable(t, folder);
  const feed = await openFeed(server.url, { ...SPEC, worldSize: 2, prefetch: 2 });
  for (let n = 0; n < 6; n++) {
    const warm = [];
    for (const rank of [0, 1]) {
      warm.push((await feed.next(`rank=${rank}`)).headers.get('slicefeed-warm'));
      await step(feed, n === 0 && rank === 0 ? 3 : 4);
    }
    if (n > 0) t.strictSame(warm, ['hit', 'hit'], `step ${n}`);
  }
});

t.test('without prefetch every step is a miss, and counted so', async (t) => {
  const server = await startClosable(t, folder);
  const feed = await openFeed(server.url, { ...SPEC, prefetch: 0 });
  await step(feed);
  for (let n = 0; n < 4; n++) await feed.body(n);
  t.match(await feed.look(), { hits: 1, misses: 3, warm: 0 });
});

t.test('what a trainer waited is told to it and summed up', async (t) => {
  const hold = holdTasks(t);
  const server = await startClosable(t, folder, { PAIR_SECONDS: '60' }, hold.options);
  const feed = await openFeed(server.url, { ...SPEC, prefetch: 0 });
  await hold.waiting(0);
  const askedAt = performance.now();
  const answer = ask(`${feed.url}/batches/0`);
  await until(() => server.service.sessions.get(feed.id).sending === 1);
  const begunAt = performance.now();
  await sleep(150);
  const least = performance.now() - begunAt;
  hold.releaseAll();
  const { headers } = await answer;
  const most = performance.now() - askedAt;
  const told = Number(/^wait;dur=(\d+\.?\d*)$/.exec(headers.get('server-timing') ?? '')?.[1]);
  t.ok(told >= least - 5 && told <= most + 1, `${told} between ${least} and ${most}`);
  t.equal(headers.get('slicefeed-warm'), 'miss');
  const seen = await feed.look();
  t.ok(Math.abs(seen.waitMs - told) < 1, `${seen.waitMs} in all`);
  t.ok(seen.loadMs >= least - 5, `${seen.loadMs} ms of loading, the hold among them`);
  await step(await openFeed(server.url, { ...SPEC, seed: 2 }), 1);
});

type Sample = readonly [name: string, labels: Readonly<Record<string, string>>, value: number];

/** Takes Prometheus text apart by its own rules (exposition format 0.0.4). Throws at a line that follows none of them. */
function parseMetrics(text: string): { types: Map<string, string>; samples: Sample[] } {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary)$/.exec(line);
    if (type) types.set(type[1]!, type[2]!);
    else if (line !== '' && !/^# HELP [a-zA-Z_:][\w:]* ./.test(line)) {
      const [, name, , labels = '', value] =
        /^([a-zA-Z_:][\w:]*)(\{(.*)\})? ([-+]?(?:Inf|NaN|[\d.eE+-]+))$/.exec(line) ?? [];
      if (name === undefined || value === undefined) throw new Error(`not a line of metrics: ${line}`);
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key!, text!]);
      samples.push([name, Object.fromEntries(pairs), Number(value.replace('Inf', 'Infinity'))]);
    }
  }
  return { types, samples };
}

const HISTOGRAMS = ['batch_wait_seconds', 'batch_load_seconds', 'batch_send_seconds', 'batch_bytes'];
const GAUGES = [
  'sessions',
  'warm_batches',
  'spool_bytes',
  'loaders_ready',
  'loaders_wanted',
  'loader_memory_bytes',
  'ready',
  'studies',
  'scan_seconds',
  'budget_bytes',
  'reserved_bytes',
  'uploads_under_way',
  'connections',
  'build_info',
  'problems',
  'certificate_expiry_timestamp_seconds',
  'quarantined_pairs',
];
const COUNTERS = [
  'batches_delivered_total',
  'batches_aborted_total',
  'loader_deaths_total',
  'scans_total',
  'uploads_total',
  'http_answers_total',
];

t.test('the metrics are true, and name nobody', async (t) => {
  const server = await startClosable(t, folder);
  const scrape = async () => {
    const answer = await ask(`${server.url}/metrics`);
    t.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    const text = answer.body.toString('utf8');
    const { types, samples } = parseMetrics(text);
    const value = (name: string, labels: object = {}) =>
      samples
        .filter(
          ([other, has]) =>
            other === `slicefeed_${name}` && Object.entries(labels).every(([k, v]) => has[k] === v),
        )
        .reduce((sum, [, , one]) => sum + one, 0);
    return { text, types, samples, value };
  };
  const before = await scrape();
  for (const [names, type] of [
    [HISTOGRAMS, 'histogram'],
    [GAUGES, 'gauge'],
    [COUNTERS, 'counter'],
  ] as const)
    for (const name of names) t.equal(before.types.get(`slicefeed_${name}`), type, name);
  t.match(before.types.get('process_resident_memory_bytes'), 'gauge', 'and those of the process');

  const feed = await openFeed(server.url, SPEC);
  const bodies: Buffer[] = [];
  for (let n = 0; n < 5; n++) {
    bodies.push(await feed.body(n));
    await step(feed);
  }
  await ask(`${feed.url}/batches/1`, { headers: { 'if-none-match': '*' } });
  const stream = await getBody(`${feed.url}/stream?from=5&to=8`);
  // A body of 13 MB is more than a connection takes without a reader.
  const large = await openFeed(server.url, {
    ...SPEC,
    prefetch: 0,
    shape: { fit: 'pad', rows: 1500, columns: 1500 },
  });
  const connection = await rawConnection(t, server.url);
  connection.get(`${new URL(large.url).pathname}/batches/0`);
  await connection.some(10_000);
  connection.socket.destroy();
  await until(() => server.service.sessions.get(large.id).sending === 0);
  await step(feed);

  await ask(`${server.url}/v1/studies/nobody`);
  const after = await scrape();
  const [one, other] = [await feed.look(), await large.look()];
  const hits = one.hits + other.hits;
  const misses = one.misses + other.misses;
  t.equal(hits + misses, 9);
  t.equal(after.value('batch_wait_seconds_count', { warm: 'hit' }), hits);
  t.equal(after.value('batch_wait_seconds_count', { warm: 'miss' }), misses);
  t.ok(Math.abs(after.value('batch_wait_seconds_sum') * 1000 - one.waitMs - other.waitMs) < 1, 'wait');
  t.equal(after.value('batches_delivered_total'), 8);
  t.equal(after.value('batches_aborted_total'), 1);
  t.equal(after.value('batch_send_seconds_count'), 9);
  t.equal(after.value('batch_bytes_count'), 9);
  const sent = stream.length + bodies.reduce((sum, { length }) => sum + length, 0);
  const rest = after.value('batch_bytes_sum') - sent - other.batchBytes;
  t.ok(rest > 0 && rest < 4096, `bytes: of the body that was not taken ${rest} are its header`);
  const loads = server.log.filter(({ msg }) => msg === 'load done').length;
  t.equal(after.value('batch_load_seconds_count'), loads);
  t.strictSame(
    ['sessions', 'warm_batches', 'loaders_ready'].map((name) => after.value(name)),
    [2, 1, 1],
  );
  t.equal(after.value('ready'), 1);
  t.equal(after.value('studies'), 8);
  t.equal(after.value('scans_total', { result: 'done' }), 1);
  t.ok(after.value('connections') >= 1, 'the one that asks');
  t.ok(after.value('loader_memory_bytes') > 1e7, 'a loader is a process of its own');
  t.equal(after.value('budget_bytes'), 256 * 1024 ** 2);
  t.equal(after.value('reserved_bytes'), one.batchBytes + other.batchBytes);
  t.equal(after.value('build_info', { version: VERSION, bytes_version: '2' }), 1);
  t.equal(after.value('http_answers_total', { status: '201', code: '' }), 2, 'two sessions were opened');
  t.equal(after.value('http_answers_total', { status: '404', code: 'SLF_STUDY_UNKNOWN' }), 1);
  t.equal(after.value('spool_bytes'), server.service.spool.usedBytes);
  t.ok(after.value('spool_bytes') >= feed.opened.batchBytes);

  for (const name of HISTOGRAMS)
    for (const labels of name === 'batch_wait_seconds' ? [{ warm: 'hit' }, { warm: 'miss' }] : [{}]) {
      const buckets = after.samples.filter(
        ([other, has]) =>
          other === `slicefeed_${name}_bucket` && Object.entries(labels).every(([k, v]) => has[k] === v),
      );
      const counts = buckets.map(([, , count]) => count);
      t.strictSame(
        counts,
        [...counts].sort((a, b) => a - b),
        `${name}: each bucket holds those below`,
      );
      t.equal(buckets.at(-1)?.[1].le, '+Inf', name);
      t.equal(counts.at(-1), after.value(`${name}_count`, labels), name);
    }
  const values = after.text.replaceAll(/^# HELP .*$/gm, '');
  for (const id of [
    feed.id,
    'ANN-1',
    'CYD',
    'FAY',
    'GUS',
    'ann',
    folder,
    feed.opened.snapshot,
    feed.opened.specDigest,
  ])
    t.notOk(values.includes(id), `no ${id === folder ? 'path' : id}`);
});
