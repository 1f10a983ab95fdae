import t from 'tap';
import { describeOutline } from '../../src/core/outline.js';

const SIZE = { rows: 20, columns: 30 };
const outline = (...xy: number[]) => describeOutline(Float64Array.from(xy), SIZE);

t.test('a square is a square', async (t) => {
  t.strictSame(outline(2, 2, 8, 2, 8, 8, 2, 8), { points: 4, crossings: 0, repeats: 0, outside: 0 });
  t.equal(outline(2, 2, 8, 2, 8, 8, 2, 8, 2, 2).points, 4, 'the first point again is none');
});

t.test('edges that cross are counted, edges that touch are not', async (t) => {
  t.equal(outline(2, 2, 8, 8, 8, 2, 2, 8).crossings, 1);
  t.equal(outline(5, 0, 8, 9, 0, 3, 10, 3, 2, 9).crossings, 5, 'a pentagram');
  t.equal(outline(0, 0, 9, 0, 5, 5, 9, 9, 0, 9, 5, 5).crossings, 0, 'two parts that touch in a point');
  t.equal(outline(1, 5, 9, 5, 3, 5, 7, 5, 5, 9).crossings, 0, 'edges that lie over each other');
  const scribble = Array.from({ length: 80 }, (_, i) => [(i * 7919) % 30, (i * 104_729) % 20]).flat();
  t.equal(outline(...scribble).crossings, 100, 'counted up to 100');
});

t.test('points that repeat an earlier one are counted, but not those of a keyhole', async (t) => {
  t.equal(outline(2, 2, 2, 2, 8, 2, 8, 8, 8, 8, 2, 8).repeats, 2);
  t.equal(outline(2, 2, 8, 2, 5, 5, 8, 8, 2, 8, 5, 5).repeats, 1, 'not one after the other');
  const keyhole = [0, 0, 9, 0, 9, 9, 0, 9, 0, 0, 3, 3, 3, 6, 6, 6, 6, 3, 3, 3];
  t.equal(outline(...keyhole).repeats, 0);
});

t.test('how far a contour leaves the image is counted from the edge of its border pixels', async (t) => {
  t.equal(outline(-0.5, -0.5, 29.5, -0.5, 29.5, 19.5, -0.5, 19.5).outside, 0);
  t.equal(outline(-3, 2, 8, 2, 8, 8).outside, 2.5);
  t.equal(outline(2, 2, 8, 2, 8, 22.5).outside, 3);
});
