import t from 'tap';
import { type Holes, type Part, regionsOf } from '../../src/core/part.js';

const a = Float64Array.of(1);
const b = Float64Array.of(2);
const c = Float64Array.of(3);
const names = new Map<Float64Array, string>([
  [a, 'a'],
  [b, 'b'],
  [c, 'c'],
]);

function joined(parts: readonly Part[], holes: Holes): string {
  return regionsOf(parts, holes)
    .map((region) => region.map((ring) => names.get(ring)).join('^'))
    .join(' ');
}

t.test('what each choice makes of several contours', async (t) => {
  const closed: Part[] = [
    { kind: 'closed', roi: 1, points: a },
    { kind: 'closed', roi: 1, points: b },
  ];
  t.equal(joined(closed, 'standard'), 'a b');
  t.equal(joined(closed, 'xor'), 'a^b');
  t.equal(joined(closed, 'union'), 'a b');
  const xor: Part[] = [
    { kind: 'xor', roi: 1, points: a },
    { kind: 'xor', roi: 2, points: b },
    { kind: 'xor', roi: 1, points: c },
  ];
  t.equal(joined(xor, 'standard'), 'a^c b');
  t.equal(joined(xor, 'xor'), 'a^c b');
  t.equal(joined(xor, 'union'), 'a b c');
  const mixed: Part[] = [
    { kind: 'closed', roi: 1, points: a },
    { kind: 'xor', roi: 1, points: b },
    { kind: 'xor', roi: 1, points: c },
  ];
  t.equal(joined(mixed, 'standard'), 'a b^c');
  t.equal(joined(mixed, 'xor'), 'a^b^c');
  const text: Part[] = [
    { kind: 'text', points: a },
    { kind: 'text', points: b },
  ];
  t.equal(joined(text, 'xor'), 'a b');
});
