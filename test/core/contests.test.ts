import t from 'tap';
import { dropByDefault, dropOthers, findContests, withoutDropped } from '../../src/core/contests.js';

const on = (series: string, ...parts: [string, number?][]) => ({
  series,
  parts: parts.map(([structure, source]) => (source === undefined ? { structure } : { structure, source })),
});

t.test(
  'sources are in a contest if they outline a structure on one series, even on different slices',
  async (t) => {
    t.strictSame(findContests([on('s', ['B', 1], ['A']), on('s', ['B', 2], ['A', 0])]), [
      { structure: 'B', sources: [1, 2] },
    ]);
    t.strictSame(
      findContests([on('s', ['A', 0]), on('r', ['A', 1])]),
      [],
      'each of another series: no slice of either could be of the other',
    );
    t.strictSame(
      findContests([
        on('s', ['A', 3], ['A', 0]),
        on('r', ['A', 3], ['A', 2]),
        on('q', ['A', 5]),
        on('q', ['A', 4]),
      ]),
      [
        { structure: 'A', sources: [0, 2, 3] },
        { structure: 'A', sources: [4, 5] },
      ],
      'a source of two series joins those of both',
    );
    t.strictSame(findContests([on('s', ['__proto__', 1], ['__proto__', 0])]), [
      { structure: '__proto__', sources: [0, 1] },
    ]);
  },
);

t.test('one source of each contest is left', async (t) => {
  const contests = [
    { structure: 'A', sources: [0, 2] },
    { structure: 'B', sources: [1, 2, 3] },
  ];
  const parts = [0, 1, 2, 3].flatMap((source) => [
    { structure: 'A', source },
    { structure: 'B', source },
  ]);
  const left = (dropped: ReadonlySet<string>) =>
    withoutDropped(parts, dropped).map(({ structure, source }) => `${structure}${source}`);
  t.strictSame(left(dropByDefault(contests)), ['A0', 'B0', 'A1', 'B1', 'A3']);
  t.strictSame(left(dropOthers(contests, () => 2)), ['B0', 'A1', 'A2', 'B2', 'A3']);
  t.equal(withoutDropped(parts, dropByDefault([])), parts);
});
