import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { pairIdsOf, readBatch } from '../fixtures/batch.js';
import { getBody, getJson, type OpenedSession } from '../fixtures/client.js';
import { childrenOf } from '../fixtures/command.js';
import { temporaryFolder } from '../helper.js';
import { goneAfter } from '../loader/processes.js';
import { Feed } from '../soak/feed.js';
import { below, seededRandom } from '../soak/random.js';
import { ServiceProcess } from '../soak/service-process.js';

const KILLS = 3;
const SPEC = { batchSize: 3, seed: 9, prefetch: 2, structures: ['i'] };

const data = join(temporaryFolder(t), 'data');
await makePhantom(data, { studies: 2, slices: 4, phases: 2, rows: 32, columns: 32 });

async function start(t: Test, spool: string): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ data, state: temporaryFolder(t), spool }, 1);
  t.teardown(() => service.end());
  return service;
}

interface Seen extends OpenedSession {
  readonly cursors: number[];
  readonly delivered: number;
}

/** Reads by `next` until the connection is lost; answers the steps it got whole, in order. `onFirst` is told of the first of them. */
async function readNext(url: string, bodies: Map<number, Buffer>, onFirst: () => void): Promise<number[]> {
  const steps: number[] = [];
  for (;;) {
    try {
      const answer = await fetch(url, { method: 'POST' });
      const body = Buffer.from(await answer.arrayBuffer());
      if (answer.status !== 200) return steps;
      const step = Number(answer.headers.get('slicefeed-step'));
      bodies.set(step, body);
      steps.push(step);
      onFirst();
    } catch {
      return steps;
    }
  }
}

t.test('sessions, cursors and records outlive a SIGKILL at any moment', async (t) => {
  const random = seededRandom(5);
  const service = await start(t, temporaryFolder(t));
  const feed = new Feed(service.url);
  t.teardown(() => feed.close());
  const path = '/v1/sessions/kept';
  const opened = await feed.json<OpenedSession>({ method: 'PUT', path, json: SPEC });
  const bodies = new Map<number, Buffer>();
  let got = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    let reading: Promise<number[]> = Promise.resolve([]);
    await new Promise<void>((first) => {
      reading = readNext(`${service.url}${path}/next`, bodies, first);
    });
    // Somewhere in the middle of a few dozen batches.
    await sleep(below(random, 200));
    await service.killAndRestart();
    const steps = await reading;
    await service.ready();
    t.ok(steps.length > 0, `${steps.length} batches before kill ${kill}`);
    t.strictSame(
      steps,
      steps.map((_, at) => steps[0]! + at),
      'next goes step by step',
    );
    // A body that was sent and recorded may have been lost with the connection.
    t.ok(steps[0] === got || steps[0] === got + 1, `from ${steps[0]} on, after ${got} whole batches`);
    got = steps[steps.length - 1]! + 1;
    const seen = await feed.json<Seen>({ path });
    const [cursor] = seen.cursors;
    t.ok(cursor === got || cursor === got + 1, `the cursor is ${cursor} after ${got} whole batches`);
    t.equal(seen.delivered, cursor, 'every step before the cursor is in the record');
    t.strictSame([seen.snapshot, seen.specDigest], [opened.snapshot, opened.specDigest]);
  }
  for (const [step, body] of bodies)
    if (!body.equals(await getBody(`${service.url}${path}/batches/${step}`))) t.fail(`step ${step} differs`);
  t.ok(bodies.size >= KILLS, `${bodies.size} steps have the same bytes after ${service.kills} kills`);
  const audit = await getJson<{ missing: { count: number } }>(`${service.url}${path}/audit?epoch=0`);
  t.equal(audit.missing.count, 0);
});

function spoolFolders(spool: string): string[] {
  return readdirSync(spool).filter((name) => name.startsWith('slicefeed-spool-'));
}

t.test(
  'a start sweeps the spool of a service that was killed, and leaves that of one that runs',
  async (t) => {
    const spool = temporaryFolder(t);
    const other = await start(t, spool);
    const [othersFolder] = spoolFolders(spool);
    const killed = await start(t, spool);
    const feeds = [new Feed(killed.url), new Feed(other.url)];
    t.teardown(() => {
      for (const feed of feeds) feed.close();
    });
    const path = '/v1/sessions/swept';
    for (const feed of feeds) await feed.json({ method: 'PUT', path, json: SPEC });
    const bodies = await Promise.all(feeds.map((feed) => feed.body({ path: `${path}/batches/0` })));
    t.ok(bodies[0]!.equals(bodies[1]!));
    t.notSame(pairIdsOf(readBatch(bodies[0]!)), []);
    const dead = spoolFolders(spool).find((name) => name !== othersFolder)!;
    t.ok(readdirSync(join(spool, dead)).length > 1, 'there are segments to be left behind');
    const loaders = childrenOf(killed.pid);
    t.ok(loaders.length >= 1);

    await killed.killAndRestart();
    await killed.ready();
    const folders = spoolFolders(spool);
    t.notOk(folders.includes(dead), 'what the killed one left is swept');
    t.ok(folders.includes(othersFolder!), 'what the other one uses is there');
    t.equal(folders.length, 2);
    // Rejects where one of them stays.
    await Promise.all(loaders.map((pid) => goneAfter(pid)));
    t.equal((await feeds[1]!.body({ path: `${path}/batches/1` })).length, bodies[1]!.length);
    t.ok(bodies[0]!.equals(await feeds[0]!.body({ path: `${path}/batches/0` })));

    t.equal(await killed.stop(), 0);
    t.strictSame(spoolFolders(spool), [othersFolder], 'one that is asked to stop leaves nothing');
  },
);
