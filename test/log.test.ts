import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import t from 'tap';
import { readable, together } from '../src/log.js';
import { until } from './fixtures/feed.js';
import { temporaryFolder } from './helper.js';

/** A log whose lines are held back until they are flushed; what has left. */
function held() {
  const waiting: string[] = [];
  const left: string[] = [];
  const lines = Object.assign(new EventEmitter(), {
    write: (line: string) => waiting.push(JSON.parse(line).msg),
    flush: () => left.push(...waiting.splice(0)),
  });
  return { log: pino({}, together(lines)), left };
}

t.test('lines wait for others', async (t) => {
  const { log, left } = held();
  log.info('one');
  log.child({ id: 1 }).info('two');
  t.strictSame(left, []);
  await until(() => left.length > 0);
  t.strictSame(left, ['one', 'two']);
});

t.test('a warning and what is worse leave at once, with what was said before', async (t) => {
  const { log, left } = held();
  log.info('before');
  log.child({ id: 1 }).warn('warning');
  t.strictSame(left, ['before', 'warning']);
  log.error('error');
  log.info('behind');
  t.strictSame(left, ['before', 'warning', 'error']);
});

t.test('what is said while earlier lines are being written does not wait for later ones', async (t) => {
  const path = join(temporaryFolder(t), 'log');
  const lines = pino.destination({ dest: path, sync: false, minLength: 4096 });
  await once(lines, 'ready');
  t.teardown(() => lines.destroy());
  const log = pino({}, together(lines));
  const said = ['one', 'two', 'three'];
  for (const text of said) log.warn(text);
  const written = () => readFileSync(path, 'utf8').split('\n').slice(0, -1);
  await until(() => written().length >= said.length);
  t.strictSame(
    written().map((line) => JSON.parse(line).msg),
    said,
  );
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
