/** A closed curve around a centre in pixels: its radius is `radius` times 1 plus two waves of 2 and 3 periods. */
export interface Outline {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly waves: readonly [cos2: number, sin2: number, cos3: number, sin3: number];
}

/** What the heart looks like in one image; the wall leaves a crescent of the right ventricle. */
export type Heart = Readonly<Record<'pool' | 'wall' | 'right', Outline>>;
/** One patient's left ventricle at the base at end-diastole, in shares of the image; `radius` is that of the pool. */
export type Shape = Outline & { readonly thickness: number };
/** Of an image, in pixels. */
export type Size = Readonly<Record<'rows' | 'columns', number>>;
type Ellipse = readonly [x: number, y: number, rx: number, ry: number, signal: number];

const STORED_MAX = 4095;
const SIGNAL = { blood: 1900, muscle: 620, noise: 38 };
/** Fat, chest wall, lungs, liver, mediastinum, spine, its marrow, aorta: each over the one before, in shares of the image. */
const ANATOMY: readonly Ellipse[] = [
  [0.5, 0.52, 0.485, 0.425, 1700],
  [0.5, 0.525, 0.45, 0.388, 760],
  [0.5, 0.51, 0.418, 0.345, 180],
  [0.27, 0.8, 0.27, 0.2, 900],
  [0.59, 0.57, 0.22, 0.2, 300],
  [0.53, 0.85, 0.1, 0.09, 820],
  [0.53, 0.84, 0.035, 0.03, 1250],
  [0.7, 0.78, 0.042, 0.042, 1800],
];
/** The layer that organs don't reach out of: the inner side of the fat. */
const BODY_LAYER = 1;

/** A heart of its own for each patient. */
export function heartShape(random: () => number): Shape {
  const wave = (most: number) => most * (2 * share(random) - 1);
  return {
    x: 0.58 + wave(0.02),
    y: 0.55 + wave(0.02),
    radius: 0.105 + wave(0.012),
    thickness: 0.045 + wave(0.006),
    waves: [wave(0.04), wave(0.04), wave(0.02), wave(0.02)],
  };
}

/** `depth` 0 at the base, 1 at the apex; `squeeze` 0 at end-diastole, 1 at end-systole. */
export function heartAt(shape: Shape, depth: number, squeeze: number, { rows, columns }: Size): Heart {
  const size = Math.min(rows, columns);
  const x = (shape.x + 0.03 * depth) * columns - 0.5;
  const y = (shape.y + 0.02 * depth) * rows - 0.5;
  const relaxed = shape.radius * size * Math.sqrt(1 - 0.75 * depth * depth);
  const thickness = shape.thickness * size * (1 - 0.25 * depth);
  const inner = relaxed * (1 - 0.34 * squeeze);
  // Muscle keeps its area while it contracts, so the wall grows thicker as the pool shrinks.
  const outer = Math.sqrt(inner * inner + (relaxed + thickness) * (relaxed + thickness) - relaxed * relaxed);
  const side = outer * (1.05 - 0.35 * depth) * (1 - 0.1 * squeeze);
  const right = { x: x - 0.8 * outer, y: y + 0.25 * outer, radius: side, waves: [-0.12, 0.1, 0, 0] as const };
  return {
    pool: { x, y, radius: inner, waves: shape.waves },
    wall: { x, y, radius: outer, waves: shape.waves },
    right,
  };
}

/** How far the heart has contracted in a phase: 0 in the first, at end-diastole, 1 at end-systole. */
export function contraction(phase: number, phases: number): number {
  const systole = endSystole(phases);
  const way = phase <= systole ? phase / Math.max(1, systole) : (phases - phase) / (phases - systole);
  return way * way * (3 - 2 * way);
}

function endSystole(phases: number): number {
  return phases === 1 ? 0 : Math.max(1, Math.round(0.4 * phases));
}

/** The structures that an expert draws in a phase. */
export function structuresAt(phase: number, phases: number): ('i' | 'o')[] {
  if (phase === 0) return ['i', 'o'];
  return phase === endSystole(phases) ? ['i'] : [];
}

/** A polygon as an expert draws it: (column, row), 60 to 150 points, about 0.8 pixels apart, rounded to 2 decimals. */
export function contourPoints(outline: Outline): [number, number][] {
  const count = Math.min(150, Math.max(60, Math.round((2 * Math.PI * outline.radius) / 0.8)));
  return Array.from({ length: count }, (_, index) => {
    const cos = Math.cos((2 * Math.PI * index) / count);
    const sin = Math.sin((2 * Math.PI * index) / count);
    const radius = radiusAt(outline, cos, sin);
    return [Number((outline.x + radius * cos).toFixed(2)), Number((outline.y + radius * sin).toFixed(2))];
  });
}

/** The radius in the direction of a unit vector, by the formulas of the double and the triple angle. */
function radiusAt({ radius, waves: [cos2, sin2, cos3, sin3] }: Outline, cos: number, sin: number): number {
  const two = cos2 * (2 * cos * cos - 1) + sin2 * 2 * sin * cos;
  const three = cos3 * cos * (4 * cos * cos - 3) + sin3 * sin * (3 - 4 * sin * sin);
  return radius * (1 + two + three);
}

/** The signal of a chest without its heart, row-major; organs lie a little elsewhere each time. */
export function paintBody({ rows, columns }: Size, random: () => number): Float32Array {
  const signal = new Float32Array(rows * columns);
  const shifts = ANATOMY.map(() => 0.012 * (share(random) - 0.5));
  const swirl = 6.28 * share(random);
  for (let index = 0; index < signal.length; index++) {
    const u = ((index % columns) + 0.5) / columns;
    const v = (Math.floor(index / columns) + 0.5) / rows;
    let body = Number.POSITIVE_INFINITY;
    ANATOMY.forEach(([x, y, rx, ry, value], layer) => {
      const du = (u - x - shifts[layer]!) / rx;
      const dv = (v - y) / ry;
      const inside = (1 - Math.sqrt(du * du + dv * dv)) * Math.min(rx * columns, ry * rows);
      cover(signal, index, value, Math.min(inside, body));
      if (layer === BODY_LAYER) body = inside;
    });
    signal[index]! *= 1 + 0.07 * Math.sin(9 * u + 5 * v + swirl) * Math.sin(16 * v - 7 * u - swirl);
  }
  return signal;
}

/** A copy of a body's signal with a heart in it. */
export function paintHeart(still: Float32Array, { pool, wall, right }: Heart, size: Size): Float32Array {
  const signal = still.slice();
  stamp(
    signal,
    { ...right, radius: right.radius + 0.012 * Math.min(size.rows, size.columns) },
    SIGNAL.muscle,
    size,
  );
  stamp(signal, right, SIGNAL.blood, size);
  stamp(signal, wall, SIGNAL.muscle, size);
  stamp(signal, pool, SIGNAL.blood, size);
  return signal;
}

function stamp(signal: Float32Array, outline: Outline, value: number, { rows, columns }: Size): void {
  const reach = 1.3 * outline.radius + 1;
  const last = [Math.min(rows - 1, outline.y + reach), Math.min(columns - 1, outline.x + reach)] as const;
  for (let row = Math.max(0, Math.floor(outline.y - reach)); row <= last[0]; row++) {
    for (let column = Math.max(0, Math.floor(outline.x - reach)); column <= last[1]; column++) {
      const dx = column - outline.x;
      const dy = row - outline.y;
      const distance = Math.sqrt(dx * dx + dy * dy) || 1e-9;
      const inside = radiusAt(outline, dx / distance, dy / distance) - distance;
      cover(signal, row * columns + column, value, inside);
    }
  }
}

/** Blends a pixel whose centre lies `inside` pixels within an edge; on the edge it is half covered. */
function cover(signal: Float32Array, index: number, value: number, inside: number): void {
  const part = Math.min(1, Math.max(0, inside + 0.5));
  signal[index]! += part * (value - signal[index]!);
}

/**
 * Stored values of 12 bits: the magnitude of a complex signal with noise, so that noise stays positive in air, under a
 * coil that fades downwards.
 */
export function expose(signal: Float32Array, { rows, columns }: Size, random: () => number): Uint16Array {
  const pixels = new Uint16Array(rows * columns);
  for (let index = 0; index < pixels.length; index++) {
    const u = (index % columns) / columns;
    const v = Math.floor(index / columns) / rows;
    const real = signal[index]! * (1.25 - 0.15 * u - 0.4 * v) + SIGNAL.noise * normal(random);
    const imaginary = SIGNAL.noise * normal(random);
    pixels[index] = Math.min(STORED_MAX, Math.round(Math.sqrt(real * real + imaginary * imaginary)));
  }
  return pixels;
}

/** Words of 32 bits, by Marsaglia's xorshift with the shifts 13, 17, 5. */
export function randomBits(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function share(random: () => number): number {
  return random() / 2 ** 32;
}

/** About normal, mean 0, deviation 1: the four bytes of a word are summed, whose variance is 4 (256² - 1) / 12. */
function normal(random: () => number): number {
  const bits = random();
  const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
  return (sum - 510) / 147.8;
}
