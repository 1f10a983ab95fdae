import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
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
  t.equal(await within(taking, 1000, 'the wait for a segment'), segment);
});

t.test('who waits for another size is woken as well', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(100)!;
  const taking = spool.take(30, WAIT_MS);
  spool.give(segment);
  t.equal((await within(taking, 1000, 'the wait for a segment')).sizeBytes, 30);
  t.equal(spool.usedBytes, 30);
});

t.test('one large segment serves two who wait for small ones', async (t) => {
  const spool = open(t, 100);
  const segment = spool.tryTake(100)!;
  const taking = [spool.take(40, 2000), spool.take(50, 2000)];
  spool.give(segment);
  const sizes = await within(Promise.all(taking), 1000, 'the wait of two');
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
  t.equal((await within(taking, 1000, 'the wait behind another')).sizeBytes, 40);
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
  t.ok(tookMs >= 98 && tookMs < 1000, `${tookMs} ms`);
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
  t.equal((await within(taking, 1000, 'the wait for what was discarded')).sizeBytes, 60);
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

t.test('what others have in the folder stays; one that is being born stays for a minute', async (t) => {
  const base = temporaryFolder(t);
  writeFileSync(join(base, 'notes.txt'), 'mine');
  mkdirSync(join(base, 'other'));
  const [young, old] = ['.slicefeed-spool-0000000000000001', '.slicefeed-spool-0000000000000002'];
  for (const name of [young, old]) mkdirSync(join(base, name));
  const longAgo = new Date(Date.now() - 120_000);
  utimesSync(join(base, old), longAgo, longAgo);
  const spool = new Spool(base, 100);
  t.strictSame(readdirSync(base).sort(), [young, 'notes.txt', 'other', basename(spool.folder)].sort());
  t.equal(readFileSync(join(base, 'notes.txt'), 'utf8'), 'mine');
  spool.close();
});

t.test(
  'segments lie where they are asked to, in memory where the budget fits, else in the state folder',
  async (t) => {
    t.equal(spoolBase('/asked', '/state', 1), '/asked');
    t.equal(spoolBase('', '/state', Number.MAX_SAFE_INTEGER), '/state');
    t.equal(spoolBase('', '/state', 1), existsSync('/dev/shm') ? '/dev/shm' : '/state');
  },
);
