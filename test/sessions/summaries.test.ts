import t from 'tap';
import { SessionSummaries } from '../../src/sessions/summaries.js';

function logged() {
  const lines: (Record<string, unknown> & { msg: string })[] = [];
  const info = (fields: object, msg: string) => void lines.push({ ...fields, msg });
  return { lines, log: { info } as never };
}

t.test('a session has one line with its counts, means and longest wait', (t) => {
  const { lines, log } = logged();
  const summaries = new SessionSummaries(log);
  summaries.add('a', { bytes: 100, warm: 'hit', waitMs: 1, sendMs: 4, whole: true });
  summaries.add('a', { bytes: 100, warm: 'miss', waitMs: 5.5, sendMs: 2, whole: true });
  summaries.add('a', { bytes: 100, warm: 'hit', waitMs: 1, sendMs: 0, whole: false });
  summaries.add('b', { bytes: 7, warm: 'hit', waitMs: 0.004, sendMs: 1, whole: true });
  summaries.write();
  t.strictSame(lines, [
    {
      session: 'a',
      batches: 2,
      left: 1,
      bytes: 200,
      hits: 2,
      misses: 1,
      meanWaitMs: 2.5,
      longestWaitMs: 5.5,
      meanSendMs: 2,
      msg: 'session summary',
    },
    {
      session: 'b',
      batches: 1,
      left: 0,
      bytes: 7,
      hits: 1,
      misses: 0,
      meanWaitMs: 0,
      longestWaitMs: 0,
      meanSendMs: 1,
      msg: 'session summary',
    },
  ]);
  t.end();
});

t.test('a session that sent nothing since its last line has no line', (t) => {
  const { lines, log } = logged();
  const summaries = new SessionSummaries(log);
  summaries.write();
  summaries.add('a', { bytes: 1, warm: 'hit', waitMs: 1, sendMs: 1, whole: true });
  summaries.write();
  summaries.write();
  t.equal(lines.length, 1);
  t.end();
});

t.test('lines are written by themselves after the interval', async (t) => {
  const written = await new Promise<string>((resolve) => {
    // The timer of the summaries keeps no process alive: this one does.
    const alive = setTimeout(() => resolve('nothing within ten seconds'), 10_000);
    const info = (_: object, msg: string) => {
      clearTimeout(alive);
      resolve(msg);
    };
    new SessionSummaries({ info } as never, 5).add('a', {
      bytes: 1,
      warm: 'hit',
      waitMs: 1,
      sendMs: 1,
      whole: true,
    });
  });
  t.equal(written, 'session summary');
});
