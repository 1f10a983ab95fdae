import type { ProblemCode } from './problem.js';

/** One remark about a contour's text; `detail` names lines, never what they hold. */
export interface ContourProblem {
  readonly code: ProblemCode;
  /** Counted from 1; null when it is the whole text's. */
  readonly line: number | null;
  readonly detail: string;
}

/** A problem of a contour that can be used all the same. */
interface ContourRemark extends ContourProblem {
  readonly line: number;
}

/**
 * `points` are x, y, x, y … in columns and rows, at least 3 points, without a repeated first point at the
 * end; `pointsBefore` counts the points that were read before the problem.
 */
export type ContourParse =
  | { readonly ok: true; readonly points: Float64Array; readonly problems: readonly ContourRemark[] }
  | { readonly ok: false; readonly problem: ContourProblem; readonly pointsBefore: number };

/** So many blank lines are named one by one; the last remark counts the others. */
const NAMED_BLANK_LINES = 20;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const SEMICOLON = 0x3b;
const LOWER_E = 0x65;
const BYTE_ORDER_MARK = 0xfeff;

/** Powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * Reads the text of one closed contour: a point a line, column and row as decimal numbers (`115.5`, `-.5`, `1e2`)
 * with spaces, tabs, one comma or one semicolon between them. Lines end in LF, CRLF or CR, and a byte order mark
 * is passed over. Blank lines at the start and the end are nothing; one between points is a remark. The first
 * problem that makes the contour unusable ends the reading. Time is linear in the text.
 *
 * `maxPoints` counts after the repeated first point is dropped.
 */
export function parseContour(text: string, limits: { readonly maxPoints: number }): ContourParse {
  const { maxPoints } = limits;
  // The shortest point is `1 2` and its line end; one place more than the limit is for a repeated first point.
  const room = Math.min(maxPoints + 1, Math.ceil((text.length + 1) / 4));
  const points = new Float64Array(2 * room);
  const reader = new NumberReader(text);
  const problems: ContourRemark[] = [];
  let blankLines = 0;
  let count = 0;
  let line = 0;
  let lastPointLine = 0;
  let at = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0;

  while (at < text.length) {
    line++;
    at = skipSpace(text, at);
    if (!isLineEnd(text, at)) {
      const x = reader.read(at);
      const y = reader.read(skipSeparator(text, reader.end));
      at = skipSpace(text, reader.end);
      if (!Number.isFinite(x) || !Number.isFinite(y) || !isLineEnd(text, at)) {
        return refuse('CONTOUR_NOT_A_NUMBER', line, `line ${line} does not hold two finite numbers`, count);
      }
      if (count > 0) {
        for (let blank = lastPointLine + 1; blank < line; blank++) {
          if (++blankLines <= NAMED_BLANK_LINES) problems.push(blankLine(blank, `line ${blank} is blank`));
        }
      }
      lastPointLine = line;
      const repeats = count > 0 && x === points[0] && y === points[1];
      if (count > maxPoints || (count === maxPoints && !repeats)) return refuseTooMany(line, maxPoints);
      points[2 * count] = x;
      points[2 * count + 1] = y;
      count++;
    }
    at = skipLineEnd(text, at);
  }

  if (count > 1 && points[2 * count - 2] === points[0] && points[2 * count - 1] === points[1]) count--;
  if (count < 3) {
    return refuse(
      'CONTOUR_TOO_FEW_POINTS',
      null,
      `the contour has ${count} points, a polygon needs 3`,
      count,
    );
  }
  if (blankLines > NAMED_BLANK_LINES) {
    const others = blankLines - NAMED_BLANK_LINES;
    const { line } = problems.pop()!;
    problems.push(blankLine(line, `line ${line} is blank, and ${others} more after it`));
  }
  return { ok: true, points: points.slice(0, 2 * count), problems };
}

function refuse(code: ProblemCode, line: number | null, detail: string, pointsBefore: number): ContourParse {
  return { ok: false, problem: { code, line, detail }, pointsBefore };
}

function refuseTooMany(line: number, maxPoints: number): ContourParse {
  const detail = `line ${line} passes the limit of ${maxPoints} points`;
  return refuse('CONTOUR_TOO_MANY_POINTS', line, detail, maxPoints);
}

function blankLine(line: number, detail: string): ContourRemark {
  return { code: 'CONTOUR_BLANK_LINE', line, detail };
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** Also at the end of the text, where a character's code is NaN. */
function isLineEnd(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === LF || code === CR || at >= text.length;
}

function skipLineEnd(text: string, at: number): number {
  return text.charCodeAt(at) === CR && text.charCodeAt(at + 1) === LF ? at + 2 : at + 1;
}

function skipSpace(text: string, at: number): number {
  let code = text.charCodeAt(at);
  while (code === SPACE || code === TAB) code = text.charCodeAt(++at);
  return at;
}

/** Gives the text's length, where no number can be read, when nothing separates. */
function skipSeparator(text: string, start: number): number {
  const at = skipSpace(text, start);
  const code = text.charCodeAt(at);
  if (code === COMMA || code === SEMICOLON) return skipSpace(text, at + 1);
  return at > start ? at : text.length;
}

/** Reads decimal numbers out of a text; `end` is where the last one stopped. */
class NumberReader {
  end = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** NaN when no number starts at `start`; the same double as `Number` gives otherwise. */
  read(start: number): number {
    const text = this.#text;
    let at = start;
    let code = text.charCodeAt(at);
    const negative = code === MINUS;
    if (negative || code === PLUS) code = text.charCodeAt(++at);

    const digitsStart = at;
    let value = 0;
    for (; isDigit(code); code = text.charCodeAt(++at)) value = value * 10 + (code - ZERO);
    let digits = at - digitsStart;
    let decimals = 0;
    if (code === DOT) {
      code = text.charCodeAt(++at);
      const decimalsStart = at;
      for (; isDigit(code); code = text.charCodeAt(++at)) value = value * 10 + (code - ZERO);
      decimals = at - decimalsStart;
      digits += decimals;
    }
    if (digits === 0) {
      this.end = start;
      return Number.NaN;
    }
    // Folds E to e.
    const exponentEnd = (code | 0x20) === LOWER_E ? this.#exponentEnd(at + 1) : at;
    this.end = exponentEnd;
    // Up to 15 digits over an exact power of ten: both exact, so that the one division rounds as it should.
    if (exponentEnd === at && digits <= 15) {
      const size = value / POWERS[decimals]!;
      return negative ? -size : size;
    }
    return Number(text.slice(start, exponentEnd));
  }

  /** Past an exponent's sign and digits; without digits the whole is no number, as `Number` will say. */
  #exponentEnd(start: number): number {
    const text = this.#text;
    const sign = text.charCodeAt(start);
    let at = sign === PLUS || sign === MINUS ? start + 1 : start;
    while (isDigit(text.charCodeAt(at))) at++;
    return at;
  }
}
