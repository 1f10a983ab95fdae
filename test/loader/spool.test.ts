import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { Spool, spoolBase } from '../../src/loader/spool.js';
import { temporaryFolder } from '../helper.js';
import { run, within } from './processes.js';

const WAIT_MS = 10_000;

function open(t: Parameters<typeof temporaryFolder>[0], budgetBytes: number): Spool {
  const spool = new Spool(temporaryFolder(t), budgetBytes);
  t.teardown(() => spool.close());
  return spool;
}

/** Whether a promise has settled by the next turn of the event loop. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

t.test('a segment is a file of its size that its user alone may open', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(40)!;
  const status = statSync(segment.path);
  t.equal(segment.sizeBytes, 40);
  t.equal(status.size, 40);
  t.equal(status.mode & 0o777, 0o600);
  t.equal(statSync(spool.folder).mode & 0o777, 0o700);
  t.equal(spool.usedBytes, 40);
});

t.test('what was written to a segment is read from its place', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(10)!;
  writeSync(segment.fd, Buffer.from('0123456789'), 0, 10, 0);
  const into = Buffer.alloc(5, '.');
  spool.read(segment, 3, 4, into);
  t.equal(into.toString(), '3456.');
  t.throws(() => spool.read(segment, 8, 4, into), RangeError);
});

t.test('segments stay within the budget', async (t) => {
  const spool = open(t, 100);
  t.ok(spool.tryTake(60));
  t.equal(spool.tryTake(41), null);
  t.ok(spool.tryTake(40));
  t.equal(spool.tryTake(1), null);
  t.equal(spool.usedBytes, 100);
});

t.test('a segment that was given back serves again at its size, without a new file', async (t) => {
  const spool = open(t, 100);
  const first = spool.tryTake(60)!;
  spool.give(first);
  t.equal(spool.usedBytes, 60);
  t.equal(spool.tryTake(60), first);
  t.equal(spool.tryTake(60), null);
});

t.test('of several that were given back the last one serves first', async (t) => {
  const spool = open(t, 100);
  const [first, last] = [spool.tryTake(30)!, spool.tryTake(30)!];
  spool.give(first);
  spool.give(last);
  t.equal(spool.tryTake(30), last);
  t.equal(spool.tryTake(30), first);
});

t.test('free segments of other sizes make room, those in use never', async (t) => {
  const spool = open(t, 100);
  const [used, free] = [spool.tryTake(50)!, spool.tryTake(40)!];
  spool.give(free);
  const next = spool.tryTake(45)!;
  t.equal(next.sizeBytes, 45);
  t.equal(existsSync(free.path), false);
  t.equal(existsSync(used.path), true);
  t.equal(spool.usedBytes, 95);
  t.equal(spool.tryTake(30), null);
});

t.test('who takes waits until there is room and is woken by what is given back', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(100)!;
  const taking = spool.take(100, WAIT_MS);
  t.equal(await isSettled(taking), false);
  spool.give(segment);
  t.equal(await within(taking, 60_000, 'the wait for a segment'), segment);
});

t.test('who waits for another size is woken as well', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(100)!;
  const taking = spool.take(30, WAIT_MS);
  spool.give(segment);
  t.equal((await within(taking, 60_000, 'the wait for a segment')).sizeBytes, 30);
  t.equal(spool.usedBytes, 30);
});

t.test('one large segment serves two who wait for small ones', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(100)!;
  const taking = [spool.take(40, 2000), spool.take(50, 2000)];
  spool.give(segment);
  const sizes = await within(Promise.all(taking), 60_000, 'the wait of two');
  t.strictSame(
    sizes.map(({ sizeBytes }) => sizeBytes),
    [40, 50],
  );
});

t.test('one who waits for more than there is does not keep others from what is there', async (t) => {
  const spool = open(t, 100);
  const [, small] = [spool.tryTake(60)!, spool.tryTake(40)!];
  const large = spool.take(100, 2000);
  large.catch(() => {});
  const taking = spool.take(40, 2000);
  spool.give(small);
  t.equal((await within(taking, 60_000, 'the wait behind another')).sizeBytes, 40);
  await t.rejects(large, { name: 'BudgetExceeded' });
});

t.test('who waits in vain gets an error', async (t) => {
  const spool = open(t, 100);
  spool.tryTake(100);
  const startedAt = performance.now();
  await t.rejects(spool.take(50, 100), {
    name: 'BudgetExceeded',
    message: 'no room for 50 bytes in the memory budget',
  });
  const tookMs = performance.now() - startedAt;
  t.ok(tookMs >= 98, `${tookMs} ms`);
  await t.rejects(spool.take(101, 1), { name: 'BudgetExceeded' });
});

t.test('who gave up waiting takes nothing', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(100)!;
  await t.rejects(spool.take(100, 1), { name: 'BudgetExceeded' });
  spool.give(segment);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(spool.tryTake(100), segment);
});

t.test('one who waits asks for warm batches first, one who only tries does not', async (t) => {
  const spool = open(t, 100);
  const warm = spool.tryTake(80)!;
  const asked: number[] = [];
  spool.onPressure = (neededBytes) => {
    asked.push(neededBytes);
    if (asked.length === 1) spool.give(warm);
  };
  t.equal(spool.tryTake(60), null);
  t.strictSame(asked, []);
  t.equal((await spool.take(60, 1)).sizeBytes, 60);
  t.strictSame(asked, [60]);
  await spool.take(10, 1);
  t.strictSame(asked, [60]);
});

t.test('a segment for which the disk had no room is removed, and all that are free with it', async (t) => {
  const spool = open(t, 100);
  const [bad, free, used] = [spool.tryTake(40)!, spool.tryTake(20)!, spool.tryTake(30)!];
  spool.give(free);
  const taking = spool.take(60, WAIT_MS);
  spool.discard(bad);
  t.equal((await within(taking, 60_000, 'the wait for what was discarded')).sizeBytes, 60);
  t.strictSame(
    [bad, free, used].map(({ path }) => existsSync(path)),
    [false, false, true],
  );
  t.equal(spool.usedBytes, 90);
});

t.test('whatever is taken and given, files and bytes agree and the budget holds', async (t) => {
  const folder = temporaryFolder(t);
  const steps = fc.array(
    fc.record({ take: fc.boolean(), sizeBytes: fc.integer({ min: 1, max: 60 }), which: fc.nat(20) }),
    {
      maxLength: 40,
    },
  );
  const property = fc.property(steps, (made) => {
    const spool = new Spool(folder, 100);
    try {
      const held: NonNullable<ReturnType<Spool['tryTake']>>[] = [];
      for (const { take, sizeBytes, which } of made) {
        if (take) {
          const inUse = held.reduce((sum, segment) => sum + segment.sizeBytes, 0);
          const segment = spool.tryTake(sizeBytes);
          if ((segment !== null) !== inUse + sizeBytes <= 100) return false;
          if (segment && held.includes(segment)) return false;
          if (segment) held.push(segment);
        } else if (which < held.length) spool.give(held.splice(which, 1)[0]!);
        const sizes = readdirSync(spool.folder)
          .filter((name) => name.startsWith('segment-'))
          .map((name) => statSync(join(spool.folder, name)).size);
        if (sizes.reduce((sum, size) => sum + size, 0) !== spool.usedBytes || spool.usedBytes > 100)
          return false;
      }
      return true;
    } finally {
      spool.close();
    }
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 50 }));
  t.strictSame(readdirSync(folder), []);
});

t.test('close leaves nothing, also of segments that are out', async (t) => {
  const base = join(temporaryFolder(t), 'made', 'on the way');
  const spool = new Spool(base, 100);
  spool.give(spool.tryTake(10)!);
  spool.tryTake(20);
  spool.close();
  t.strictSame(readdirSync(base), []);
});

t.test('a start sweeps what a killed process left, and nothing of one that runs', async (t) => {
  const base = temporaryFolder(t);
  const [dead, alive] = [await run(t, 'spool-holder', base), await run(t, 'spool-holder', base)];
  t.equal(existsSync(join(dead.line, 'segment-0')), true);
  await dead.kill();
  const spool = new Spool(base, 100);
  t.teardown(() => spool.close());
  t.strictSame(readdirSync(base).sort(), [basename(alive.line), basename(spool.folder)].sort());
  t.equal(existsSync(join(alive.line, 'segment-0')), true);
});

t.test('a start sweeps nothing of a spool of its own process', async (t) => {
  const base = temporaryFolder(t);
  const first = new Spool(base, 100);
  const segment = first.tryTake(10)!;
  const second = new Spool(base, 100);
  t.equal(existsSync(segment.path), true);
  second.close();
  const third = new Spool(base, 100);
  t.equal(existsSync(segment.path), true);
  first.close();
  third.close();
  t.strictSame(readdirSync(base), []);
});

/** Makes a folder with the name of a spool folder. */
function left(base: string, digit: string, mode = 0o700): string {
  const folder = join(base, `slicefeed-spool-000000000000000${digit}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'segment-0'), 'warm');
  chmodSync(folder, mode);
  return folder;
}

t.test("the sweep leaves other users' files in the folder alone", async (t) => {
  const base = temporaryFolder(t);
  writeFileSync(join(base, 'notes.txt'), 'mine');
  mkdirSync(join(base, 'other'));
  mkdirSync(join(base, 'slicefeed-spool-of-somebody'), { mode: 0o700 });
  const spool = new Spool(base, 100);
  t.strictSame(
    readdirSync(base).sort(),
    ['notes.txt', 'other', 'slicefeed-spool-of-somebody', basename(spool.folder)].sort(),
  );
  t.equal(readFileSync(join(base, 'notes.txt'), 'utf8'), 'mine');
  spool.close();
});

t.test('a folder that others may enter is not swept, nor is one behind a link', async (t) => {
  const base = temporaryFolder(t);
  const elsewhere = join(temporaryFolder(t), 'private');
  mkdirSync(elsewhere, { mode: 0o700 });
  writeFileSync(join(elsewhere, 'segment-0'), 'mine');
  const kept = [left(base, '1', 0o777), left(base, '2', 0o750)];
  const link = join(base, 'slicefeed-spool-0000000000000003');
  symlinkSync(elsewhere, link);
  const swept = left(base, '4');
  const spool = new Spool(base, 100);
  t.teardown(() => spool.close());
  for (const folder of [...kept, elsewhere]) t.strictSame(readdirSync(folder), ['segment-0'], folder);
  t.ok(existsSync(link));
  t.notOk(existsSync(swept));
});

const asRoot = process.geteuid?.() === 0 ? false : 'only root may give a folder to another user';

t.test("nothing is done in another user's folder", { skip: asRoot }, async (t) => {
  const base = temporaryFolder(t);
  const other = left(base, '1');
  chownSync(other, 65534, 65534);
  const spool = new Spool(base, 100);
  t.teardown(() => spool.close());
  t.strictSame(readdirSync(other), ['segment-0']);
});

/**
 * A rollback journal that has SQLite of some releases remove another file, the "super-journal", with its
 * recovery.
 */
function hotJournal(victim: string): Buffer {
  const magic = Buffer.from('d9d505f920a163d7', 'hex');
  const head = Buffer.alloc(512);
  magic.copy(head);
  // Pages of the journal, nonce, pages of the database, bytes of a sector and of a page.
  [0, 0, 1, 512, 4096].forEach((field, at) => {
    head.writeUInt32BE(field, 8 + 4 * at);
  });
  const name = Buffer.from(victim);
  const sum = name.reduce((total, byte) => total + byte, 0);
  const [page, length, checksum] = [2 ** 30 / 4096 + 1, name.length, sum].map((field) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(field, 0);
    return bytes;
  });
  return Buffer.concat([head, page!, name, length!, checksum!, magic]);
}

t.test('a crafted journal or a link beside a folder’s lock changes no file elsewhere', async (t) => {
  const base = temporaryFolder(t);
  const precious = join(temporaryFolder(t), 'precious');
  const lay = (folder: string) => {
    writeFileSync(precious, 'mine');
    writeFileSync(join(folder, 'alive'), Buffer.alloc(4096));
    writeFileSync(join(folder, 'alive-journal'), hotJournal(precious));
  };
  const [open, own] = [left(base, '1', 0o777), left(base, '2')];
  for (const folder of [open, own]) lay(folder);
  const [link, dangling] = [left(base, '3'), left(base, '4')];
  symlinkSync(precious, join(link, 'alive'));
  symlinkSync(join(base, 'made'), join(dangling, 'alive'));
  const spool = new Spool(base, 100);
  t.teardown(() => spool.close());
  t.equal(readFileSync(precious, 'utf8'), 'mine');
  t.notOk(existsSync(join(base, 'made')));
  t.strictSame(readdirSync(open).sort(), ['alive', 'alive-journal', 'segment-0']);
  t.notOk(existsSync(own));
});

t.test('a folder that was removed is made again, with the next segment or the next look', async (t) => {
  const base = join(temporaryFolder(t), 'base');
  const spool = new Spool(base, 100);
  const [free, used] = [spool.tryTake(20)!, spool.tryTake(30)!];
  spool.give(free);
  const first = spool.folder;
  rmSync(base, { recursive: true });
  const next = spool.tryTake(40)!;
  t.not(spool.folder, first);
  t.equal(statSync(next.path).size, 40);
  t.equal(statSync(spool.folder).mode & 0o777, 0o700);
  t.equal(spool.problem, null);
  spool.look();
  t.equal(spool.usedBytes, 70, 'what was free and is gone is let go of');
  spool.give(used);
  spool.look();
  t.equal(spool.usedBytes, 40);

  rmSync(spool.folder, { recursive: true });
  spool.look();
  t.ok(existsSync(spool.folder));
  t.equal(spool.problem, null);
  spool.close();
  t.strictSame(readdirSync(base), []);
});

t.test('problem tells that the folder cannot be made again, until it can', async (t) => {
  const base = join(temporaryFolder(t), 'base');
  const spool = new Spool(base, 100);
  rmSync(base, { recursive: true });
  writeFileSync(base, 'a file where a folder was');
  t.throws(() => spool.tryTake(10), { name: 'NoSegment' });
  spool.look();
  t.match(spool.problem, /^the folder for warm batches was removed and cannot be made again \(E[A-Z]+\)/);
  rmSync(base);
  spool.look();
  t.equal(spool.problem, null);
  t.ok(spool.tryTake(10));
  spool.close();
  t.strictSame(readdirSync(base), []);
});

t.test(
  'segments lie where they are asked to, in memory where the budget fits, else in the state folder',
  async (t) => {
    t.equal(spoolBase('/asked', '/state', 1), '/asked');
    t.equal(spoolBase('', '/state', Number.MAX_SAFE_INTEGER), '/state');
    t.equal(spoolBase('', '/state', 1), existsSync('/dev/shm') ? '/dev/shm' : '/state');
  },
);

t.test('bytes that sessions reserved are never given to other requests', async (t) => {
  const spool = open(t, 100);
  const release = spool.reserve(60)!;
  t.equal(spool.reservedBytes, 60);
  t.equal(spool.reserve(41), null);
  t.equal(spool.tryTake(41, false), null);
  const beside = spool.tryTake(40, false)!;
  t.equal(spool.tryTake(1, false), null, 'no more than is left, whoever uses what is reserved');
  const own = spool.tryTake(60)!;
  t.ok(own);
  spool.give(beside);
  t.equal(spool.tryTake(40, false), beside);
  spool.give(own);
  release();
  release();
  t.equal(spool.reservedBytes, 0);
  t.ok(spool.tryTake(60, false));
});

t.test('bytes that a session holds from the beginning are used', async (t) => {
  const spool = open(t, 100);
  const release = spool.reserve(80, 30)!;
  t.equal(spool.usedBytes, 30);
  t.equal(spool.tryTake(71), null);
  t.ok(spool.tryTake(70));
  release();
  t.equal(spool.usedBytes, 70);
});

t.test('a session that ends gives back the memory of segments that nobody uses', async (t) => {
  const spool = open(t, 100);
  const release = spool.reserve(40)!;
  const [used, free] = [spool.tryTake(40)!, spool.tryTake(40)!];
  spool.give(free);
  t.ok(existsSync(free.path));
  release();
  t.notOk(existsSync(free.path));
  t.ok(existsSync(used.path));
  t.equal(spool.usedBytes, 40);
});

t.test('waiting requests with reserved room get room first', async (t) => {
  const spool = open(t, 100);
  spool.reserve(50);
  const [one, other] = [spool.tryTake(50)!, spool.tryTake(50, false)!];
  const beside = spool.take(50, WAIT_MS, { isReserved: false, isOver: false });
  const reserved = spool.take(50, WAIT_MS);
  spool.give(one);
  t.equal(await reserved, one);
  t.notOk(await isSettled(beside));
  spool.give(other);
  t.equal(await beside, other);
});

t.test('a request that can never fit beside the reserved bytes fails at once', async (t) => {
  const spool = open(t, 100);
  spool.reserve(60);
  const claim = { isReserved: false, isOver: false };
  await t.rejects(spool.take(50, WAIT_MS, claim), { name: 'BudgetExceeded', message: /reserved/ });
  const held = spool.tryTake(40, false)!;
  const waiting = spool.take(40, WAIT_MS, claim);
  const refused = t.rejects(waiting, { name: 'BudgetExceeded' });
  spool.reserve(40);
  spool.give(held);
  await refused;
});

t.test('a claim may become a session’s, or be over, while it waits', async (t) => {
  const spool = open(t, 100);
  spool.reserve(50);
  const held = spool.tryTake(50, false)!;
  const joined = { isReserved: false, isOver: false };
  const waiting = spool.take(50, WAIT_MS, joined);
  t.notOk(await isSettled(waiting));
  joined.isReserved = true;
  spool.lookAgain();
  t.ok(await waiting);
  const left = { isReserved: false, isOver: false };
  const over = spool.take(50, WAIT_MS, left);
  left.isOver = true;
  spool.lookAgain();
  t.equal(await over, null);
  spool.give(held);
});
