import t from 'tap';
import { DAY, type Timing } from '../../src/core/dicom-timing.js';
import { orderSeries, type SeriesSlice } from '../../src/core/series-order.js';

const AXIAL = [1, 0, 0, 0, 1, 0];
const NO_TIME: Timing = { triggerMs: null, acquired: null, content: null, temporalPosition: null };

function slice(
  name: string,
  position: [number, number, number] | null,
  orientation: readonly number[] | null = AXIAL,
  timing: Partial<Timing> = {},
  instanceNumber: number | null = null,
): SeriesSlice {
  return {
    identifier: name,
    path: `${name}.dcm`,
    frame: 0,
    header: { position, orientation, instanceNumber },
    timing: { ...NO_TIME, ...timing },
  };
}

/** Returns the names in order, whatever order they are given in, and the remarks. */
function order(slices: readonly SeriesSlice[]): { names: string; remarks: string[]; paths: string[] } {
  const results = [slices, [...slices].reverse()].map((given) => {
    const { slices: ordered, remarks } = orderSeries(given);
    return {
      names: ordered.map(({ identifier }) => identifier).join(''),
      remarks: remarks.map(({ detail }) => detail),
      paths: remarks.map(({ path }) => path),
    };
  });
  t.equal(results[0]!.names, results[1]!.names, 'the order of files does not count');
  return results[0]!;
}

const hour = (hours: number, day = 2): number => day * DAY + hours * 3600;

t.test('an oblique stack is ordered along its normal', async (t) => {
  // The normal of these is -x.
  const sagittal = [0, 1, 0, 0, 0, -1];
  const slices = [5, -3, 12].map((x, i) => slice('abc'[i]!, [x, 100 - 7 * x, 100], sagittal));
  t.strictSame(order(slices), { names: 'cab', remarks: [], paths: [] });
});

t.test('planes whose normals point to either side in turn are one stack', async (t) => {
  const flipped = [
    [-1, 0, 0, 0, 1, 0],
    [1, 0, 0, 0, -1, 0],
    [0, 1, 0, 1, 0, 0],
  ];
  for (const other of flipped) {
    const slices = [0, 1, 2, 3, 4].map((z) => slice('abcde'[z]!, [0, 0, z], z % 2 ? other : AXIAL));
    t.strictSame(order(slices), { names: 'abcde', remarks: [], paths: [] }, 'to the side of most of them');
    const turned = [0, 1, 2, 3, 4].map((z) => slice('abcde'[z]!, [0, 0, z], z % 2 ? AXIAL : other));
    t.equal(order(turned).names, 'edcba');
    const even = [0, 1, 2, 3].map((z) => slice('abcd'[z]!, [0, 0, z], z % 2 ? other : AXIAL));
    t.equal(order(even).names, 'abcd', 'equally many: to the side of the largest part');
  }
});

t.test('directions that differ by rounding, or have a negative zero, are one', async (t) => {
  const orientation = (z: number) => (z % 2 ? [1, 0, -1e-5, 0, 1, -0] : [0.999999, 1e-5, 0, -0, 1, 1e-4]);
  const slices = [2, 0, 1, 3].map((z) => slice('abcd'[z]!, [0, 0, z], orientation(z)));
  t.strictSame(order(slices), { names: 'abcd', remarks: [], paths: [] });
});

t.test('a localizer or an oblique among a stack is no part of it', async (t) => {
  const stack = [0, 1, 2, 3].map((z) => slice('abcd'[z]!, [0, 0, z], AXIAL, {}, z + 2));
  const coronal = slice('s', [-200, 1.5, 200], [1, 0, 0, 0, 0, -1], {}, 1);
  t.strictSame(order([...stack, coronal]), {
    names: 'sabcd',
    remarks: ['the 5 slices of its series lie in 2 directions, which come one after the other'],
    paths: ['s.dcm'],
  });
  const oblique = slice('o', [0, 0, 1.5], [1, 0, 0, 0, Math.cos(0.1), Math.sin(0.1)], {}, 9);
  t.equal(order([...stack, oblique]).names, 'abcdo');
});

t.test('views around an axis keep their phases together', async (t) => {
  const view = (degrees: number, name: string, triggerMs: number, acquired: number) => {
    const angle = (degrees * Math.PI) / 180;
    return slice(name, [7, 7, 7], [Math.cos(angle), Math.sin(angle), 0, 0, 0, -1], { triggerMs, acquired });
  };
  const slices = [
    view(0, 'a', 0, hour(10)),
    view(0, 'b', 40, hour(10)),
    view(60, 'c', 0, hour(11)),
    view(60, 'd', 40, hour(11)),
    view(120, 'e', 0, hour(12)),
    view(120, 'f', 40, hour(12)),
  ];
  t.equal(order(slices).names, 'abcdef');
});

t.test('slices without a place come last, which is reported', async (t) => {
  const placed = [0, 1].map((z) => slice('ab'[z]!, [0, 0, z], AXIAL, {}, 2 - z));
  const without = [
    slice('d', null, AXIAL, {}, 2),
    slice('c', [0, 0, 0.5], null, {}, 1),
    slice('e', [0, 0, 0.5], [1, 0, 0, 1, 0, 0], {}, 3),
  ];
  t.strictSame(order([...placed, ...without]), {
    names: 'abcde',
    remarks: ['3 of 5 slices of its series do not say where they lie; they come last, by time and number'],
    paths: ['c.dcm'],
  });
  t.strictSame(order(without), { names: 'cde', remarks: [], paths: [] }, 'where none says it, number does');
});

t.test('an acquisition across midnight continues on the next day, with or without a date', async (t) => {
  const times = [23.5, 23.9, 0.1, 0.6];
  const told =
    'the times of its series go past midnight under one date; the early ones are taken as of the next day';
  for (const day of [0, 2])
    for (const key of ['acquired', 'content'] as const) {
      const slices = times.map((time, i) => slice('abcd'[i]!, null, null, { [key]: hour(time, day) }, 4 - i));
      t.match(order(slices), { names: 'abcd', remarks: [told] }, `${key} ${day}`);
    }
  const dated = times.map((time, i) =>
    slice('abcd'[i]!, null, null, { acquired: hour(time, i < 2 ? 2 : 3) }),
  );
  t.strictSame(order(dated), { names: 'abcd', remarks: [], paths: [] }, 'dates say it');
  const long = [8, 21].map((time, i) => slice('ab'[i]!, null, null, { acquired: hour(time) }));
  t.strictSame(order(long), { names: 'ab', remarks: [], paths: [] }, 'a morning and an evening of one day');
});

t.test('an order by identifiers alone is reported', async (t) => {
  const slices = ['c', 'a', 'b'].map((name) => slice(name, [0, 0, 1], AXIAL, {}, 1));
  t.strictSame(order(slices), {
    names: 'abc',
    remarks: [
      'neither place nor time nor number says where 2 slices of its series come among the others; SOPInstanceUIDs do',
    ],
    paths: ['b.dcm'],
  });
  const frames = [0, 1, 2].map((frame) => ({ ...slice('a', null), frame }));
  t.strictSame(orderSeries(frames).remarks, [], 'frames of one file have an order');
});

t.test('slices in too many directions for stacks still get an order', async (t) => {
  const slices = Array.from({ length: 2000 }, (_, i) => {
    const angle = i * 0.0015;
    return slice(String(i), [0, 0, 0], [Math.cos(angle), Math.sin(angle), 0, 0, 0, 1], {}, i);
  });
  const scattered = slices.map((each, i) => ({
    ...each,
    header: {
      ...each.header,
      orientation: [Math.cos(i), Math.sin(i), 0, 0, Math.cos(i * i), Math.sin(i * i)],
    },
  }));
  t.equal(orderSeries(slices).slices.length, 2000);
  t.equal(new Set(orderSeries(scattered).slices).size, 2000);
});
