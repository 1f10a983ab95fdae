import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import t from 'tap';
import { readable } from '../src/log.js';
import { LogLines } from '../src/log-lines.js';
import { until } from './fixtures/feed.js';

/** The reaction of a descriptor to one write: it takes all, takes that many bytes, or fails with a code. */
type Reaction = 'all' | number | string;

/**
 * A log over a descriptor that reacts to each write as it is told, the last reaction for all that follow;
 * what it took.
 */
function scripted(...reactions: Reaction[]) {
  let taken = '';
  let writes = 0;
  const react = (bytes: Buffer): number => {
    const reaction = reactions[Math.min(writes++, reactions.length - 1)] ?? 'all';
    if (typeof reaction === 'string' && reaction !== 'all')
      throw Object.assign(new Error(reaction), { code: reaction });
    const length = reaction === 'all' ? bytes.length : Math.min(bytes.length, reaction as number);
    taken += bytes.subarray(0, length).toString();
    return length;
  };
  const lines = new LogLines(2, {
    write: (_, bytes, done) => {
      try {
        const length = react(bytes);
        setImmediate(() => done(null, length));
      } catch (error) {
        setImmediate(() => done(error as NodeJS.ErrnoException, 0));
      }
    },
    writeSync: (_, bytes) => react(bytes),
  });
  const said = () =>
    taken
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).msg);
  return {
    log: pino({}, lines),
    lines,
    said,
    writes: () => writes,
    set: (...next: Reaction[]) => (reactions = next),
  };
}

t.test('lines wait for others', async (t) => {
  const { log, said, writes } = scripted('all');
  log.info('one');
  log.child({ id: 1 }).info('two');
  t.strictSame(said(), []);
  await until(() => said().length > 0);
  t.strictSame(said(), ['one', 'two']);
  t.equal(writes(), 1);
});

t.test('a warning and what is worse leave at once, with what was said before', async (t) => {
  const { log, said } = scripted('all');
  log.info('before');
  log.child({ id: 1 }).warn('warning');
  t.strictSame(said(), ['before', 'warning']);
  log.error('error');
  log.info('behind');
  await until(() => said().length === 4);
  t.strictSame(said(), ['before', 'warning', 'error', 'behind']);
});

t.test('lines that are taken in pieces or after a retry arrive whole and in order', async (t) => {
  const { log, said } = scripted(5, 'EAGAIN', 7, 1, 'EAGAIN', 'EAGAIN', 'all');
  const texts = ['one', 'two', 'three', 'four'];
  for (const text of texts) log.warn(text);
  await until(() => said().length === texts.length);
  t.strictSame(said(), texts);
});

t.test('lines that nobody takes are held up to a limit, then left out and counted', async (t) => {
  const { log, lines, said, set } = scripted('EAGAIN');
  lines.onLeftOut = (count) => log.warn({ count }, `${count} left out`);
  const long = 'x'.repeat(1024 * 1024);
  for (let line = 0; line < 6; line++) log.info(`${line}${long}`);
  set('all');
  await until(() => said().some((text) => /left out/.test(text)));
  t.strictSame(
    said().map((text: string) => text.slice(0, 9)),
    ['0xxxxxxxx', '1xxxxxxxx', '2xxxxxxxx', '3 left ou'],
    'four lines of 1 MiB and their heads are over 4 MiB',
  );
});

t.test('a flush waits for every line, and not for ever', async (t) => {
  const { log, said, set } = scripted('EAGAIN', 'all');
  const flushed = () => new Promise<void>((resolve) => log.flush(() => resolve()));
  await flushed();
  log.info('one');
  await flushed();
  t.strictSame(said(), ['one']);
  set('EAGAIN');
  log.info('two');
  await flushed();
  t.strictSame(said(), ['one'], 'it is not taken, and the flush has an end');
});

t.test('a log whose reader is gone accepts lines and keeps none', async (t) => {
  const { log, lines, writes } = scripted('EPIPE');
  log.warn('one');
  await new Promise<void>((resolve) => log.flush(() => resolve()));
  for (let line = 0; line < 10; line++) log.warn('more');
  lines.end();
  t.equal(writes(), 1);
});

t.test('at its end a process writes the held lines, as far as they are taken', async (t) => {
  const taken = scripted('all');
  taken.log.info('one');
  taken.log.info('two');
  taken.lines.end();
  t.strictSame(taken.said(), ['one', 'two']);
  const refused = scripted('EAGAIN');
  refused.log.info('one');
  refused.lines.end();
  t.strictSame(refused.said(), []);
  const inPieces = scripted(10, 10, 'EPIPE');
  inPieces.log.info('one');
  inPieces.lines.end();
  t.equal(inPieces.writes(), 3);
});

t.test(
  'for people a line is time, level, message and fields, in one line and without colour where there is none',
  async (t) => {
    const out = new PassThrough();
    const log = pino({ base: null }, readable(out, { colour: false }));
    log.info({ session: 'a', batches: 3 }, 'session summary');
    const [line] = (await once(out, 'data')) as [Buffer];
    t.match(
      line.toString(),
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: session summary \{"session":"a","batches":3\}\n$/,
    );
  },
);
