import t from 'tap';
import { type LostPart, settleSources } from '../../src/catalog/settled-sources.js';
import { type FoundContour, foundContour } from '../../src/core/found-contours.js';
import type { SliceId } from '../../src/core/ids.js';
import { sha256 } from '../../src/sha256.js';

const SOURCES = [
  { kind: 'rtstruct', file: 'one' },
  { kind: 'rtstruct', file: 'two' },
  { kind: 'rtstruct', file: 'three' },
] as const;

/**
 * `slice:structure source size`: a triangle; with `!` one that cannot be used, with `?` one that lies beside
 * the image.
 */
async function settled(...told: string[]) {
  const drawn = new Map<SliceId, FoundContour[]>();
  const lost: LostPart[] = [];
  for (const each of told) {
    const [, slice, structure, source, size, mark] = /^(\w):(\w)(\d) (\d)([!?]?)$/.exec(each)!;
    if (mark)
      lost.push({
        slice: slice as SliceId,
        structure: structure!,
        source: Number(source),
        isBeside: mark === '?',
      });
    else
      drawn.set(slice as SliceId, [
        ...(drawn.get(slice as SliceId) ?? []),
        {
          ...foundContour(
            structure!,
            {
              kind: 'closed',
              roi: Number(source) * 100 + 7,
              points: Float64Array.of(0, 0, Number(size), 0, 0, Number(size)),
            },
            sha256,
          ),
          source: Number(source),
        },
      ]);
  }
  const problems: string[] = [];
  const slices = ['a', 'b', 'c'].map((slice) => ({ slice: slice as SliceId, seriesUid: 's' }));
  const found = await settleSources(drawn, lost, slices, SOURCES, (code, file) =>
    problems.push(`${code} ${file}`),
  );
  const left = [...found.drawn].flatMap(([slice, parts]) =>
    parts.map(({ structure, source }) => `${slice}:${structure}${source}`),
  );
  const unusable = [...found.unusable].map(
    ([slice, { structures, lost: of }]) => `${slice}:${structures} ${JSON.stringify(of)}`,
  );
  return [left.join(' '), unusable.join(' '), ...problems];
}

t.test('what differs in one slice stays with both; what is the same is kept once', async (t) => {
  t.strictSame(await settled('a:A0 1', 'b:A1 2'), ['a:A0 b:A1', '', 'CONTOUR_TWICE two']);
  t.strictSame(await settled('a:A0 1', 'a:A1 1', 'b:A0 2', 'b:A1 2'), ['a:A0 b:A0', '', 'CONTOUR_TWICE two']);
  t.strictSame(await settled('a:A0 1', 'a:A1 1', 'b:A1 2'), ['a:A0 a:A1 b:A1', '', 'CONTOUR_TWICE two']);
  t.strictSame(
    await settled('a:A0 1', 'a:A1 1', 'a:A2 2'),
    ['a:A0 a:A2', '', 'CONTOUR_TWICE two', 'CONTOUR_TWICE three'],
    'a copy of the first, and another',
  );
  t.strictSame(await settled('a:A0 1', 'b:B1 2'), ['a:A0 b:B1', ''], 'other names');
});

t.test('what a source cannot use on a slice is its own where sources differ', async (t) => {
  t.strictSame(
    await settled('a:A0 1', 'b:A0 1', 'b:A1 2', 'b:A0 3!', 'a:A1 2!'),
    [
      'a:A0 b:A1',
      'b:A [["A",[0]]] a:A [["A",[1]]]',
      'STRUCTURE_UNUSABLE one',
      'STRUCTURE_UNUSABLE two',
      'CONTOUR_TWICE two',
    ],
    'the rest of a structure that lost a part is taken out of its slice',
  );
  t.strictSame(
    await settled('a:A0 1', 'a:A1 2!', 'b:A1 2!'),
    ['a:A0', 'b:A []', 'STRUCTURE_UNUSABLE two'],
    'a source of which nothing is used is in no contest: where another has the structure, that one has it all',
  );
  t.strictSame(await settled('a:A0 1', 'a:A0 1?'), ['a:A0', ''], 'what lies beside takes nothing away');
  t.strictSame(
    await settled('a:A0 1', 'a:A1 1', 'a:A2 2', 'b:A0 3!', 'b:A1 3!'),
    [
      'a:A0 a:A2',
      'b:A [["A",[0]]]',
      'STRUCTURE_UNUSABLE one',
      'STRUCTURE_UNUSABLE two',
      'CONTOUR_TWICE two',
      'CONTOUR_TWICE three',
    ],
    'a copy loses what the first one loses',
  );
});
