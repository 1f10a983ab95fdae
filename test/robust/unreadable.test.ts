import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readBatch } from '../fixtures/batch.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { heartFiles } from '../fixtures/heart-folder.js';
import { refused } from '../fixtures/problem.js';
import { writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const FAILS = { pair: 'A/2', file: 'dicoms/A/2.dcm' };

t.test('a file that cannot be read fails only its own pair', async (t) => {
  const folder = temporaryFolder(t);
  writeFiles(folder, heartFiles('A', 9));
  const server = await startTestServer(t, folder);
  await server.ready();
  const { url } = server;
  const spec = { batchSize: 3, shuffle: false, structures: ['i'], prefetch: 1 };
  const strict = await openSession(url, spec);
  const batches = `${url}/v1/sessions/${strict.id}/batches`;
  const whole = await getBody(`${batches}/0`);
  const path = join(folder, 'dicoms/A/2.dcm');
  renameSync(path, `${path}.away`);
  // A link to itself, which the system follows for nobody.
  symlinkSync('2.dcm', path);
  const masking = await openSession(url, { ...spec, seed: 1, onError: 'mask', prefetch: 0 });

  const failed = await refused(t, `${batches}/0`, {}, 422, 'SLF_PAIR_FAILED');
  t.match(failed, { ...FAILS, detail: /^FILE_UNREADABLE: the file cannot be read \(ELOOP\)/ });
  t.equal((await ask(`${batches}/1`)).status, 200, 'the others are loaded');
  const masked = readBatch(await getBody(`${url}/v1/sessions/${masking.id}/batches/0`));
  t.strictSame([...masked.tensors.valid!.bytes], [1, 0, 1]);
  t.match(JSON.parse(masked.metadata.problems!), [{ ...FAILS, code: 'FILE_UNREADABLE' }]);
  t.match(await refused(t, `${url}/v1/studies/A/pairs/2`, {}, 422, 'SLF_PAIR_FAILED'), FAILS);
  t.match(await refused(t, `${url}/v1/studies/A/pairs/2/overlay.png`, {}, 422, 'SLF_PAIR_FAILED'), FAILS);
  await refused(t, `${batches}/0/overlay.png`, {}, 422, 'SLF_PAIR_FAILED');
  const report = await getJson<{ findings: object[] }>(`${url}/v1/report`);
  t.match(
    report.findings.filter((finding) => (finding as { pair: string }).pair === 'A/2'),
    [{ code: 'NOT_MEASURED' }],
  );

  rmSync(path);
  renameSync(`${path}.away`, path);
  t.ok((await getBody(`${batches}/0`)).equals(whole), 'once it can be read again, the batch is as before');
});
