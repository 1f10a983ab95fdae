import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, type OpenedSession } from '../fixtures/client.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';
import { GOLDEN, type GoldenSpec } from './specs.js';

/** The file that holds what sessions give, a line each. */
export const GOLDEN_FILE = new URL('../../../test/golden/bodies.tsv', import.meta.url);
export const COLUMNS = ['source', 'session', 'specDigest', 'snapshot', 'bodies', 'tensors'];

/** Makes a source's folder, or finds it; null where the shared data is not there. */
async function folderOf(t: Parameters<typeof temporaryFolder>[0], source: string): Promise<string | null> {
  if (source !== 'mixed' && source !== 'phantom') return sharedData(source);
  const folder = join(temporaryFolder(t), 'data');
  if (source === 'mixed') makeMixedFolder(folder);
  else await makePhantom(folder, { studies: 2, slices: 3, phases: 2, rows: 48, columns: 40 });
  return folder;
}

/**
 * Returns the lines of a source. It opens the sessions on a service of their own and hashes the first bodies
 * of each rank, whole (`bodies`) and without their headers (`tensors`). Null if the data is missing.
 */
export async function linesOf(
  t: Parameters<typeof temporaryFolder>[0],
  source: string,
): Promise<string[] | null> {
  const folder = await folderOf(t, source);
  if (folder === null) return null;
  const server = await startTestServer(t, folder, { LOG_LEVEL: 'silent' });
  await server.ready();
  const lines: string[] = [];
  for (const golden of GOLDEN[source]!) lines.push([source, ...(await rowOf(server.url, golden))].join('\t'));
  await server.close();
  return lines;
}

async function rowOf(url: string, { name, steps, spec }: GoldenSpec): Promise<string[]> {
  const answer = await ask(`${url}/v1/sessions`, { method: 'POST', body: spec });
  if (answer.status !== 201) return [name, String(answer.status), '-', '-', '-'];
  const session = JSON.parse(answer.body.toString()) as OpenedSession;
  const bodies = createHash('sha256');
  const tensors = createHash('sha256');
  const { worldSize } = session.spec as { worldSize: number };
  for (let rank = 0; rank < worldSize; rank++)
    for (let step = 0; step < Math.min(steps, session.steps ?? steps); step++) {
      const { status, body } = await ask(`${url}/v1/sessions/${session.id}/batches/${step}?rank=${rank}`);
      const bytes = status === 200 ? body : Buffer.from(`${status} ${JSON.parse(body.toString()).code}\n`);
      bodies.update(bytes);
      tensors.update(status === 200 ? bytes.subarray(8 + Number(bytes.readBigUInt64LE())) : bytes);
    }
  await ask(`${url}/v1/sessions/${session.id}`, { method: 'DELETE' });
  return [name, session.specDigest, session.snapshot, bodies.digest('hex'), tensors.digest('hex')];
}
