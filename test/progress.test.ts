import t from 'tap';
import { bar, Progress } from '../src/progress.js';

function recorder(terminal: { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = [];
  const clock = { now: 0 };
  const screen = { ...terminal, write: (text: string) => written.push(text) };
  const progress = new Progress(screen, () => clock.now);
  const taken = () => written.splice(0).join('');
  return { progress, clock, taken };
}

t.test('a bar', async (t) => {
  t.equal(bar(0, 10, 4), '░░░░');
  t.equal(bar(5, 10, 4), '██░░');
  t.equal(bar(10, 10, 4), '████');
  t.equal(bar(11, 10, 4), '████');
  t.equal(bar(0, 0, 4), '░░░░');
});

t.test('on a terminal one line is redrawn in its width, and what is settled stays', async (t) => {
  const { progress, clock, taken } = recorder({ isTTY: true, columns: 40 });
  progress.show('epoch', '1/4 pairs', 1, 4);
  t.equal(taken(), `\r\x1b[2Kepoch     ${bar(1, 4, 19)} 1/4 pairs`);
  clock.now += 10;
  progress.show('epoch', '2/4 pairs', 2, 4);
  t.equal(taken(), '', 'too soon to be seen');
  clock.now += 100;
  progress.show('epoch', 'a text that leaves no room for a bar', 2, 4);
  t.equal(taken(), '\r\x1b[2Kepoch     a text that leaves no room fo', 'the last column stays free');
  progress.settle('epoch', 'done');
  t.equal(taken(), '\r\x1b[2Kepoch     done\n');
  progress.show('next', 'begins');
  t.equal(taken(), '\r\x1b[2Knext      begins', 'a new line is shown at once');
  progress.clear();
  progress.clear();
  t.equal(taken(), '\r\x1b[2K');
});

t.test('without a terminal there are plain lines, at most one a second', async (t) => {
  const { progress, clock, taken } = recorder();
  progress.show('epoch', '1/4 pairs', 1, 4);
  clock.now += 999;
  progress.show('epoch', '2/4 pairs', 2, 4);
  clock.now += 1;
  progress.show('epoch', '3/4 pairs', 3, 4);
  progress.settle('epoch', '4/4 pairs');
  progress.clear();
  t.equal(taken(), 'epoch     1/4 pairs\nepoch     3/4 pairs\nepoch     4/4 pairs\n');
});
