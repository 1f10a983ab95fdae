import { pino } from 'pino';
import t from 'tap';
import { together } from '../src/log.js';

/** A log whose lines are held back until they are flushed; what has left. */
function held() {
  const waiting: string[] = [];
  const left: string[] = [];
  const lines = {
    write: (line: string) => waiting.push(JSON.parse(line).msg),
    flush: () => left.push(...waiting.splice(0)),
  };
  return { log: pino({}, together(lines)), left };
}

t.test('lines wait for others', async (t) => {
  const { log, left } = held();
  log.info('one');
  log.child({ id: 1 }).info('two');
  t.strictSame(left, []);
  const alive = setInterval(() => {}, 1000);
  while (left.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  clearInterval(alive);
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
