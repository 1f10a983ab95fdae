import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { until } from '../fixtures/feed.js';
import { checkProblem } from '../fixtures/problem.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const SPEC = { batchSize: 1, shuffle: false, prefetch: 0, structures: [], epochs: 1 };

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 4, rows: 32, columns: 32 });

/** A disk that a test fills up and frees again. */
interface SmallDisk {
  readonly state: string;
  fill(server: TestServer): void;
  empty(server: TestServer): void;
}

function mountedDisk(t: Test): SmallDisk | null {
  const state = temporaryFolder(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'tmpfs', state], { stdio: 'ignore' });
  } catch {
    return null;
  }
  t.teardown(() => execFileSync('umount', ['-l', state]));
  const filler = join(state, 'filler');
  return {
    state,
    fill() {
      const fd = openSync(filler, 'w');
      for (const bytes of [65536, 4096, 1])
        try {
          for (;;) if (writeSync(fd, Buffer.alloc(bytes)) < bytes) break;
        } catch (error) {
          t.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
        }
      closeSync(fd);
    },
    empty: () => rmSync(filler),
  };
}

/** A database that may not grow: it fails as SQLite does on a full disk. */
function boundedDatabase(t: Test): SmallDisk {
  return {
    state: temporaryFolder(t),
    fill: ({ service }) => {
      // No free page is left in the file either: what is deleted gives none back before it is written down.
      service.db.exec('VACUUM');
      const { page_count: pages } = service.db.prepare('PRAGMA page_count').get() as { page_count: number };
      service.db.exec(`PRAGMA max_page_count = ${pages}`);
    },
    empty: ({ service }) => service.db.exec('PRAGMA max_page_count = 1000000'),
  };
}

async function start(t: Test, { state }: SmallDisk) {
  const server = await startTestServer(t, folder, { STATE: state, DECODE_CACHE: '0' });
  await server.ready();
  return server;
}

/**
 * Asks all that writes to the state folder; each is done, or refused for want of room, or broken off in the
 * middle of its body.
 */
async function askEverything(t: Test, url: string, id: string): Promise<number> {
  const json = { 'content-type': 'application/json' };
  let refused = 0;
  for (const [path, options] of [
    ['/v1/sessions', { method: 'POST', headers: json, body: JSON.stringify({ ...SPEC, seed: 7 }) }],
    ['/v1/sessions/mine', { method: 'PUT', headers: json, body: JSON.stringify({ ...SPEC, seed: 8 }) }],
    ['/v1/sessions/mine', { method: 'DELETE' }],
    [`/v1/sessions/${id}/next`, { method: 'POST' }],
    [`/v1/sessions/${id}/batches/5`, {}],
    [`/v1/sessions/${id}/stream?from=6`, {}],
    [`/v1/scan`, { method: 'POST' }],
    [`/v1/quarantine/a/b`, { method: 'DELETE' }],
  ] as const) {
    const answer = await ask(`${url}${path}`, options).catch(() => null);
    if (answer?.status === 503) {
      refused++;
      checkProblem(t, answer, 503, 'SLF_ROOM');
    } else t.ok(!answer || [200, 201, 202, 204, 404].includes(answer.status), `${path}: ${answer?.status}`);
  }
  return refused;
}

const small = mountedDisk(t);
const skip = small ? false : 'there is no small disk to fill: mounting a tmpfs is not allowed here';

t.test(
  'a full disk of the state folder is a 503, and all goes on once there is room',
  { skip },
  async (t) => {
    const disk = small!;
    const server = await start(t, disk);
    const { url } = server;
    const { id } = await openSession(url, SPEC);
    const next = () => ask(`${url}/v1/sessions/${id}/next`, { method: 'POST' });
    const first = await next();
    t.equal(first.status, 200);
    disk.fill(server);
    // The first delivery that could not be recorded belonged to a body that was already being sent: it is
    // broken off, never whole.
    let broken = 0;
    await until(async () => {
      const answer = await next().catch(() => null);
      if (answer === null) broken++;
      return answer?.status === 503;
    });
    t.ok(broken <= 2, `${broken} bodies were broken off`);
    t.ok((await askEverything(t, url, id)) > 0);
    t.equal((await ask(`${url}/v1/studies`)).status, 200, 'what only reads goes on');
    t.equal((await ask(`${url}/livez`)).status, 200);
    disk.empty(server);
    const { cursors, delivered } = await getJson<{ cursors: number[]; delivered: number }>(
      `${url}/v1/sessions/${id}`,
    );
    const step = cursors[0]!;
    t.ok(delivered >= step, `the cursor stands at ${step}, behind what was delivered: ${delivered}`);
    const again = await next();
    t.strictSame([again.status, again.headers.get('slicefeed-step')], [200, String(step)]);
    const other = await openSession(url, { ...SPEC, seed: 7 });
    t.equal((await ask(`${url}/v1/sessions/${other.id}`, { method: 'DELETE' })).status, 204);
    for (let left = step + 1; left < 8; left++) t.equal((await next()).status, 200);
    t.equal((await next()).status, 204);
    const audit = await getJson<Record<string, { count: number }>>(`${url}/v1/sessions/${id}/audit?epoch=0`);
    t.match(audit, { missing: { count: 0 }, repeated: { count: 0 } });
    const lines = server.log.filter(({ msg }) => msg === 'request failed');
    t.strictSame(lines, [], 'nothing was a fault of the service');
  },
);

t.test('a database that may not grow is a 503, and goes on when it may', async (t) => {
  const disk = boundedDatabase(t);
  const server = await start(t, disk);
  const { url } = server;
  const { id } = await openSession(url, SPEC);
  const whole = await getBody(`${url}/v1/sessions/${id}/batches/0`);
  await getJson(`${url}/v1/sessions/${id}`);
  disk.fill(server);
  let opened = 0;
  const open = (seed: number) =>
    ask(`${url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...SPEC, seed }),
    });
  // The last page may have room for a few.
  for (let seed = 0; seed < 200; seed++) {
    const { status } = await open(seed);
    if (status === 503) break;
    t.equal(status, 201);
    opened++;
  }
  t.equal((await open(1000)).status, 503);
  t.ok((await getBody(`${url}/v1/sessions/${id}/batches/0`)).equals(whole), 'a delivery goes to the journal');
  disk.empty(server);
  t.equal((await open(1000)).status, 201);
  const { sessions } = await getJson<{ sessions: unknown[] }>(`${url}/v1/sessions`);
  t.equal(sessions.length, opened + 2);
  t.strictSame(
    server.log.filter(({ msg }) => msg === 'request failed'),
    [],
  );
});

t.test(
  'a service whose disk is full ends in order, and the next one has all that was recorded',
  { skip },
  async (t) => {
    const disk = mountedDisk(t)!;
    const server = await start(t, disk);
    const { id } = await openSession(server.url, SPEC);
    for (let step = 0; step < 3; step++)
      t.equal((await ask(`${server.url}/v1/sessions/${id}/next`, { method: 'POST' })).status, 200);
    disk.fill(server);
    await t.resolves(server.close());
    disk.empty(server);
    const next = await start(t, disk);
    const { cursors, delivered } = await getJson<{ cursors: number[]; delivered: number }>(
      `${next.url}/v1/sessions/${id}`,
    );
    t.strictSame([cursors, delivered], [[3], 3]);
  },
);
