import fc from 'fast-check';
import t from 'tap';
import type { LoadUnit } from '../../src/loader/messages.js';
import { KeptSources, SentSources } from '../../src/loader/sealed.js';
import { bigSource } from '../fixtures/decoded-frames.js';
import { sealed } from './sources.js';

const LIMITS = { keptBytes: 100_000 };

/** A source whose contour has so many points. */
function source(path: string, points = 4) {
  const extents = [{ regions: [[new Float64Array(2 * points).fill(0.5)]], rasters: [] }];
  return { source: { ...bigSource, path }, extents };
}

function unit(source: ReturnType<typeof sealed>): LoadUnit {
  return { slot: 0, place: 0, source };
}

t.test('a source is opened as it was sealed', async (t) => {
  t.strictSame(new KeptSources(LIMITS).open(sealed(source('a'))), source('a'));
});

t.test('to one loader the content of a source travels once', async (t) => {
  const [sent, other] = [new SentSources(LIMITS), new SentSources(LIMITS)];
  const units = [unit(sealed(source('a'))), { slot: 1, place: -1, source: null }];
  const travelling = (to: SentSources) =>
    to.toSend(units).map((each) => each.source && each.source.content !== null);
  t.strictSame(travelling(sent), [true, null]);
  t.strictSame(travelling(sent), [false, null]);
  t.strictSame(travelling(other), [true, null]);
});

t.test('of what nobody may keep the content travels each time', async (t) => {
  const sent = new SentSources(LIMITS);
  const passing = { ...source('a'), source: { ...bigSource, isPassing: true as const } };
  const units = [unit(sealed(passing))];
  t.strictSame(sent.toSend(units), units);
  t.strictSame(sent.toSend(units), units);
});

t.test('a source that has more bytes than are kept is sent each time, and the others stay', async (t) => {
  const [sent, kept] = [new SentSources(LIMITS), new KeptSources(LIMITS)];
  const units = [unit(sealed(source('small'))), unit(sealed(source('large', 10_000)))];
  for (const travels of [
    [true, true],
    [false, true],
    [false, true],
  ]) {
    const travelling = sent.toSend(units);
    t.strictSame(
      travelling.map((each) => each.source!.content !== null),
      travels,
    );
    t.strictSame(
      travelling.map((each) => kept.open(each.source!).source.path),
      ['small', 'large'],
    );
  }
});

t.test('a source that was never sent is not made up', async (t) => {
  t.throws(() => new KeptSources(LIMITS).open({ number: 7, sizeBytes: 1, content: null }), {
    message: 'a source that was not sent',
  });
});

t.test('whatever is sent, in whatever order, is opened, also where more is sent than is kept', async () => {
  // Together some times of what is kept: each contour has 16 kB.
  const all = Array.from({ length: 40 }, (_, i) => sealed(source(String(i), 1000)));
  const numbers = fc.array(fc.nat(all.length - 1), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(numbers, { maxLength: 12 }), (tasks) => {
      const [sent, kept] = [new SentSources(LIMITS), new KeptSources(LIMITS)];
      return tasks.every((task) => {
        const travelling = sent.toSend(task.map((number) => unit(all[number]!)));
        const paths = travelling.map((each) => kept.open(each.source!).source.path);
        return paths.join() === task.join();
      });
    }),
    { numRuns: 100 },
  );
});
