import fc from 'fast-check';
import t from 'tap';
import { type ContourProblem, parseContour } from '../../src/core/contour.js';

const LIMITS = { maxPoints: 100_000 };
const TRIANGLE = [1, 2, 3.5, 4, 5, -6];

function pointsOf(text: string, maxPoints = LIMITS.maxPoints): number[] {
  const parse = parseContour(text, { maxPoints });
  if (!parse.ok) throw new Error(`${parse.problem.code}: ${parse.problem.detail}`);
  return [...parse.points];
}

function refusal(text: string, maxPoints = LIMITS.maxPoints): ContourProblem {
  const parse = parseContour(text, { maxPoints });
  if (parse.ok) throw new Error(`accepted ${parse.points.length / 2} points`);
  return parse.problem;
}

t.test('points are read line by line, column before row', async (t) => {
  const parse = parseContour('115.00 95.00\n115.50 94.50\n116.00 94.00\n', LIMITS);
  t.strictSame(parse, {
    ok: true,
    points: Float64Array.of(115, 95, 115.5, 94.5, 116, 94),
    problems: [],
  });
});

t.test('points as short as can be are all kept', async (t) => {
  t.strictSame(pointsOf('1 2\n3 4\n5 6\n7 8\n9 0\n2 1'), [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 2, 1]);
});

t.test('separators, line ends and the edges of the text vary', async (t) => {
  for (const text of [
    '1 2\n3.5 4\n5 -6',
    '1\t2\r\n3.5\t4\r\n5\t-6\r\n',
    '1 2\r3.5 4\r5 -6\r',
    '\ufeff1 2\n3.5 4\n5 -6\n',
    '1,2\n3.5 , 4\n5,\t-6\n',
    '1;2\n3.5 ;4\n5; -6\n',
    '   1   2   \n\t3.5 \t 4\t\n 5 -6 ',
    '1 2\n3.5 4\n5 -6\n1 2\n',
    '1 2\n3.5 4\n5 -6\n+1.0 .2e1',
    '\n \n1 2\n3.5 4\n5 -6\n\t\n\n',
    '\ufeff\r\n1 2\r\n3.5 4\r\n5 -6\r\n\r\n',
  ]) {
    const parse = parseContour(text, LIMITS);
    t.strictSame(parse.ok && [...parse.points], TRIANGLE, JSON.stringify(text));
    t.strictSame(parse.ok && parse.problems, [], 'without a remark');
  }
});

t.test('every decimal notation is a number', async (t) => {
  const written = [
    '1e3',
    '+1.5',
    '.5',
    '-.5',
    '5.',
    '2E-2',
    '1e+2',
    '-0',
    '007',
    '0.1',
    '123456789.12345678',
  ];
  const text = written.map((number, i) => `${number} ${i}`).join('\n');
  t.strictSame(
    pointsOf(text).filter((_, i) => i % 2 === 0),
    [1000, 1.5, 0.5, -0.5, 5, 0.02, 100, -0, 7, 0.1, 123456789.12345678],
  );
});

t.test('a line without exactly two finite numbers is named by its number and not quoted', async (t) => {
  for (const line of [
    '1.5abc 2',
    '2 1.5abc',
    '0x10 2',
    'NaN 2',
    '2 NaN',
    'Infinity 2',
    '-Infinity 2',
    '1e999 2',
    `${'9'.repeat(400)} 2`,
    '1,2,3',
    '1 2 3',
    '1,,2',
    '1;,2',
    '1 2,',
    ',1 2',
    '7',
    '1-2',
    '1.2.3',
    '1 2.3.4',
    '1e 2',
    '2 1e',
    '1e+ 2',
    '. 2',
    '- 2',
    '+-1 2',
    '1_0 2',
    '1\u00a02',
    '\u0661 2',
    'Smith 1970',
    '1 \ufeff2',
    '1 2\0',
  ]) {
    const problem = refusal(`1 2\n3 4\r\n${line}\n5 6\n`);
    t.strictSame(
      problem,
      { code: 'CONTOUR_NOT_A_NUMBER', line: 3, detail: 'line 3 does not hold two finite numbers' },
      JSON.stringify(line.slice(0, 20)),
    );
  }
});

t.test(
  'a blank line between points is a remark with its line number, and the contour stays usable',
  async (t) => {
    const parse = parseContour('\n1 2\n\n3.5 4\n \t\r\n\r\n5 -6\n\n', LIMITS);
    t.strictSame(parse, {
      ok: true,
      points: Float64Array.from(TRIANGLE),
      problems: [3, 5, 6].map((line) => ({
        code: 'CONTOUR_BLANK_LINE',
        line,
        detail: `line ${line} is blank`,
      })),
    });
  },
);

t.test('of very many blank lines the first are named and the others counted', async (t) => {
  const parse = parseContour(`1 2\n${'\n'.repeat(50_000)}3.5 4\n5 -6\n`, LIMITS);
  if (!parse.ok) throw new Error('refused');
  t.equal(parse.problems.length, 20);
  t.strictSame(parse.problems[0], { code: 'CONTOUR_BLANK_LINE', line: 2, detail: 'line 2 is blank' });
  t.strictSame(parse.problems[19], {
    code: 'CONTOUR_BLANK_LINE',
    line: 21,
    detail: 'line 21 is blank, and 49980 more after it',
  });
});

t.test('fewer than three points are refused, the repeated first one not counted', async (t) => {
  for (const [text, count] of [
    ['', 0],
    ['\ufeff', 0],
    ['\n\n', 0],
    ['1 2', 1],
    ['1 2\n1 2', 1],
    ['1 2\n3 4\n', 2],
    ['1 2\n3 4\n1 2\n', 2],
  ] as const) {
    t.strictSame(refusal(text), {
      code: 'CONTOUR_TOO_FEW_POINTS',
      line: null,
      detail: `the contour has ${count} points, a polygon needs 3`,
    });
  }
  t.strictSame(pointsOf('1 2\n1 2\n3 4'), [1, 2, 1, 2, 3, 4], 'a point twice elsewhere stays');
});

t.test('the limit counts points without the repeated first one', async (t) => {
  t.strictSame(pointsOf('1 2\n3.5 4\n5 -6', 3), TRIANGLE);
  t.strictSame(pointsOf('1 2\n3.5 4\n5 -6\n1 2\n\n', 3), TRIANGLE);
  const problem = { code: 'CONTOUR_TOO_MANY_POINTS', line: 5, detail: 'line 5 passes the limit of 3 points' };
  t.strictSame(refusal('\n1 2\n3 4\n5 6\n7 8\n', 3), problem);
  t.strictSame(refusal('1 2\n3 4\n5 6\n1 2\n7 8', 3), problem);
  t.strictSame(refusal('1 2\n3 4\n5 6\n1 2\n1 2', 3), problem);
});

t.test('a number is the double that JavaScript itself reads', async () => {
  const digits = (from: number, to: number) =>
    fc.array(fc.constantFrom(...'0123456789'), { minLength: from, maxLength: to }).map((all) => all.join(''));
  const decimal = fc
    .tuple(
      fc.constantFrom('', '-', '+'),
      digits(1, 12),
      digits(0, 12),
      fc.constantFrom('', 'e2', 'E-17', 'e+9'),
    )
    .map(([sign, whole, part, exponent]) => `${sign}${whole}.${part}${exponent}`);
  const number = fc.oneof(
    decimal,
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `${value}`),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(number, number), { minLength: 3, maxLength: 20 }), (written) => {
      const want = written.flat().map(Number);
      const repeats = want.at(-2) === want[0] && want.at(-1) === want[1];
      fc.pre(!repeats);
      const got = pointsOf(written.map((point) => point.join(' ')).join('\n'));
      return got.length === want.length && got.every((value, i) => Object.is(value, want[i]));
    }),
    { numRuns: 500 },
  );
});

t.test('no text throws, and no answer repeats a word of it', async () => {
  const unit = fc.constantFrom(
    '1',
    '2.5',
    '-3',
    'SECRET',
    ' ',
    '\n',
    '\r',
    '\t',
    ',',
    ';',
    '.',
    'e',
    '\ufeff',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(unit).map((units) => units.join('')),
      ),
      (text) => {
        const parse = parseContour(text, { maxPoints: 5 });
        if (!parse.ok) return !parse.problem.detail.includes('SECRET') && (parse.problem.line ?? 1) >= 1;
        return parse.points.length >= 6 && parse.points.length <= 10 && parse.points.every(Number.isFinite);
      },
    ),
    { numRuns: 2000 },
  );
});
