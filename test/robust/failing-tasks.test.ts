import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type Answer, ask, getBody, openSession } from '../fixtures/client.js';
import { heartFiles } from '../fixtures/heart-folder.js';
import { writeFiles } from '../fixtures/study-folder.js';
import { upload } from '../fixtures/upload.js';
import { zipFile } from '../fixtures/zip-file.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const loaderMain = fileURLToPath(new URL('../fixtures/failing-loader.js', import.meta.url));

const folder = temporaryFolder(t);
// More slices than one task of the quality report holds.
writeFiles(folder, heartFiles('A', 9));

const plan = join(temporaryFolder(t), 'plan');
const server = await startTestServer(
  t,
  folder,
  { PAIR_SECONDS: '0.5' },
  { loaderMain, loaderEnv: { FAIL_PLAN: plan } },
);
await server.ready();
const { url } = server;
const session = await openSession(url, { batchSize: 1, shuffle: false, prefetch: 0, structures: ['i'] });
const batch = `${url}/v1/sessions/${session.id}/batches/0`;
const whole = await getBody(batch);

const ENDS = ['exit', 'hang', 'few'];

/** The requests that each kind of task is tried with, and the ways in which it fails. */
const TRIED: readonly [
  kind: string,
  ways: readonly string[],
  requests: readonly (() => Promise<Answer>)[],
][] = [
  ['load', ENDS, [() => ask(batch)]],
  [
    'load',
    ['failed', 'room'],
    [
      () => ask(batch),
      () => ask(`${url}/v1/studies/A/pairs/1`),
      () => ask(`${url}/v1/studies/A/masks?batchSize=1`),
      () => upload(`${url}/v1/masks`, heartFiles('C', 1)),
    ],
  ],
  [
    'draw',
    ['failed', 'room', 'segv'],
    [() => ask(`${batch}/overlay.png`), () => ask(`${url}/v1/studies/A/pairs/1/overlay.png`)],
  ],
  ['measure', ['failed', 'room'], [() => ask(`${url}/v1/report`), () => ask(`${url}/v1/studies/A/report`)]],
  [
    'scan',
    ['failed', 'room', 'few'],
    [
      () => {
        writeFiles(folder, { 'dicoms/B/1.dcm': String(scans++) });
        return ask(`${url}/v1/scan`, { method: 'POST' });
      },
      () => upload(`${url}/v1/masks`, heartFiles('C', 1)),
    ],
  ],
  [
    'unpack',
    ['failed', 'room', 'unknown'],
    [() => upload(`${url}/v1/studies`, { 'a.zip': zipFile([{ name: 'a.txt', content: 'no image' }]) })],
  ],
];
let scans = 0;

for (const [kind, ways, requests] of TRIED)
  for (const way of ways)
    t.test(`a ${kind} task that fails (${way}) is an answer, and the service goes on`, async (t) => {
      writeFileSync(plan, `${kind} ${way}`);
      const answers = await Promise.all(requests.map((request) => request()));
      rmSync(plan);
      for (const { status, body } of answers)
        if (status !== 202) t.match(JSON.parse(String(body)), { status, code: /^SLF_/ });
      if (way === 'room')
        t.strictSame(
          answers.map(({ status }) => status),
          requests.map(() => 503),
        );
      await ask(`${url}/v1/quarantine/A/1`, { method: 'DELETE' });
      t.ok((await getBody(batch)).equals(whole), 'the batch is as before');
    });
