// Load from many clients at once: `npm ci` in this folder, then `node load.mjs [--seconds 15] [--sessions 8] [--data FOLDER]`, after a
// build of the project. Starts a service of its own; while so many sessions stream as fast as they are read, autocannon asks for the list of
// studies, pairs, batches, and uploads files. Prints each kind's p50, p99 and errors, and the p99 of the service's event loop
// delay; exit code 1 where an answer was an error or the delay was 50 ms or more.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { realPairs, smallPhantom } from './folders.mjs';
import { Service } from './service.mjs';

const DELAY_LIMIT_MS = 50;
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '15' },
    sessions: { type: 'string', default: '8' },
    data: { type: 'string' },
  },
});
const duration = Number(options.seconds);
const folder = mkdtempSync(join(tmpdir(), 'slicefeed-load-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** The files of a small study as a form: its first images with their contours, as a person would upload them. */
function uploadForm(data, count) {
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const contours = paths.filter((path) => path.endsWith('-icontour-manual.txt')).sort();
  const form = new FormData();
  const rows = readFileSync(join(data, 'link.csv'), 'utf8').trim().split(/\r?\n/).slice(1);
  const [patient, original] = rows[0].split(',');
  for (const path of contours.filter((each) => each.includes(`/${original}/`)).slice(0, count)) {
    const number = Number(/IM-\d+-(\d+)-/.exec(path)[1]);
    const image = join(data, 'dicoms', patient, `${number}.dcm`);
    form.append('file', new Blob([readFileSync(image)]), `${number}.dcm`);
    form.append('file', new Blob([readFileSync(path)]), path.slice(path.lastIndexOf('/') + 1));
  }
  return new Response(form);
}

/** Reads a stream as fast as it comes until `end` aborts; answers its bytes. */
function readStream(url, end) {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const request = get(url, { signal: end, agent: false }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`a stream answered ${response.statusCode}`));
      response.on('data', (chunk) => {
        bytes += chunk.length;
      });
      response.on('error', () => resolve(bytes));
    });
    request.on('error', (error) => (end.aborted ? resolve(bytes) : reject(error)));
  });
}

async function eventLoopDelayMs(service) {
  const text = await (await fetch(service.url('/metrics'))).text();
  const [, seconds] = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(text);
  return Number(seconds) * 1000;
}

/** The kinds of requests, each from connections of its own. */
async function kindsOf(service, data) {
  const { studies } = await service.call('GET', '/v1/studies');
  const { id } = studies[0];
  const { pairs } = await service.call('GET', `/v1/studies/${id}/pairs`);
  const { path } = await service.open({ batchSize: 8, seed: 1000 });
  const form = uploadForm(data, 4);
  const headers = { 'content-type': form.headers.get('content-type') };
  const body = Buffer.from(await form.arrayBuffer());
  let step = 0;
  const nextStep = (request) => ({ ...request, path: path + step++ });
  return [
    { name: 'studies list', connections: 4, requests: [{ path: '/v1/studies' }] },
    {
      name: 'pair',
      connections: 4,
      requests: pairs.map(({ slice }) => ({ path: `/v1/studies/${id}/pairs/${slice}` })),
    },
    { name: 'batch', connections: 2, requests: [{ setupRequest: nextStep }] },
    {
      name: 'masks of an upload',
      connections: 1,
      requests: [{ method: 'POST', path: '/v1/masks', headers, body }],
    },
    { name: 'upload', connections: 1, requests: [{ method: 'POST', path: '/v1/studies', headers, body }] },
  ];
}

const data = options.data ?? realPairs() ?? (await smallPhantom(join(folder, 'phantom')));
const service = await Service.ready(data, folder, { env: { SLICEFEED_RATE_LIMIT: '0' } });
const kinds = await kindsOf(service, data);
const end = new AbortController();
const streams = [];
for (let n = 0; n < Number(options.sessions); n++) {
  const session = await service.open({ batchSize: 8, seed: n });
  streams.push(readStream(service.url(session.path.replace(/batches\/$/, 'stream')), end.signal));
}
// Asking for it begins a new measure.
await eventLoopDelayMs(service);
const run = ({ name, connections, requests }) =>
  autocannon({ url: service.url(''), title: name, connections, requests, duration });
const results = await Promise.all(kinds.map(run));
const delayMs = await eventLoopDelayMs(service);
end.abort();
const streamed = (await Promise.all(streams)).reduce((sum, bytes) => sum + bytes, 0);
await service.stop();

let failed = delayMs >= DELAY_LIMIT_MS;
console.log('kind                  requests      p50 ms      p99 ms   errors');
for (const { title, requests, latency, errors, timeouts, non2xx } of results) {
  const wrong = errors + timeouts + non2xx;
  failed ||= wrong > 0 || requests.total === 0;
  const cells = [requests.total, latency.p50, latency.p99].map((value) => String(value).padStart(9));
  console.log(`${title.padEnd(20)} ${cells.join('   ')} ${String(wrong).padStart(8)}`);
}
console.log(`${options.sessions} streams: ${(streamed / duration / 1e6).toFixed(0)} MB/s together`);
console.log(`event loop delay of the service, p99: ${delayMs.toFixed(1)} ms`);
process.exitCode = failed ? 1 : 0;
