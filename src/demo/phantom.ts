import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXPLICIT_LITTLE, imageElements, sampleBytes, seededUid, writePart10 } from './part10.js';

/**
 * `studies` patients (default 3), each with `slices` positions from base to apex (6) and `phases` images of each position
 * over one heartbeat (10), of `rows` and `columns` pixels (128, at least 32); `seed` is a whole number (0).
 */
export type PhantomOptions = Partial<Settings>;
type Settings = Readonly<Record<'studies' | 'slices' | 'phases' | 'rows' | 'columns' | 'seed', number>>;

/** One closed polygon as it was written: (column, row) with pixel centres at whole numbers, rounded to 2 decimals. */
export interface PhantomContour {
  readonly structure: 'i' | 'o';
  /** Relative to the folder. */
  readonly file: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface PhantomImage {
  /** The image's number, from 1, as text. */
  readonly slice: string;
  /** Relative to the folder. */
  readonly file: string;
  /** SHA-256, in hexadecimal, of the stored pixel bytes: uint16, little-endian, row-major. */
  readonly sha256: string;
  /** `i` before `o`; empty for most images. */
  readonly contours: readonly PhantomContour[];
}

export interface PhantomStudy {
  /** The patient's folder under `dicoms`, also its PatientID. */
  readonly id: string;
  /** The patient's folder under `contourfiles`. */
  readonly original: string;
  /** How many images there are: positions times phases. */
  readonly slices: number;
  /** How many images carry each structure. */
  readonly structures: { readonly i: number; readonly o: number };
  /** In the order of their numbers. */
  readonly images: readonly PhantomImage[];
}

export interface PhantomTruth {
  readonly folder: string;
  readonly rows: number;
  readonly columns: number;
  readonly studies: readonly PhantomStudy[];
}

/** A closed curve around a centre in pixels: its radius is `radius` times 1 plus two waves of 2 and 3 periods. */
interface Outline {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly waves: readonly [cos2: number, sin2: number, cos3: number, sin3: number];
}

/** What the heart looks like in one image; the wall leaves a crescent of the right ventricle. */
type Heart = Readonly<Record<'pool' | 'wall' | 'right', Outline>>;
/** One patient's left ventricle at the base at end-diastole, in shares of the image; `radius` is that of the pool. */
type Shape = Outline & { readonly thickness: number };
type Size = Readonly<Record<'rows' | 'columns', number>>;
type Ellipse = readonly [x: number, y: number, rx: number, ry: number, signal: number];

const FIELD_OF_VIEW_MM = 260;
const SLICE_GAP_MM = 10;
const HEARTBEAT_MS = 800;
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

/**
 * Writes a data set in the layout of the Sunnybrook Cardiac Data (`link.csv`, `dicoms`, `contourfiles`): short-axis MR
 * of a beating ring, 16 bits allocated and 12 stored, explicit little endian, every pixel made here from the seed.
 * At end-diastole (its first phase) each position has an `i` (inner) and an `o` (outer) contour, at end-systole an `i` alone, at the other
 * phases none; with a single phase there is no end-systole. The same options give the same bytes.
 * @throws RangeError on an option out of its range, Error where the folder holds such a data set already.
 */
export async function makePhantom(folder: string, options: PhantomOptions = {}): Promise<PhantomTruth> {
  const { studies = 3, slices = 6, phases = 10, rows = 128, columns = 128, seed = 0 } = options;
  demand('studies', studies, 1, 999);
  demand('slices', slices, 1, 100);
  demand('phases', phases, 1, 99);
  demand('rows', rows, 32, 4096);
  demand('columns', columns, 32, 4096);
  demand('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  for (const name of ['link.csv', 'dicoms', 'contourfiles']) {
    if (existsSync(join(folder, name)))
      throw new Error(`${name} is there already: a phantom wants a folder of its own`);
  }
  const made: PhantomStudy[] = [];
  for (let index = 1; index <= studies; index++) {
    made.push(await makeStudy(folder, index, { studies, slices, phases, rows, columns, seed }));
  }
  const links = made.map(({ id, original }) => `${id},${original}`);
  // No newline after the last row, as in the real table.
  await writeFile(join(folder, 'link.csv'), ['patient_id,original_id', ...links].join('\n'));
  return { folder, rows, columns, studies: made };
}

async function makeStudy(folder: string, index: number, options: Settings): Promise<PhantomStudy> {
  const { slices, phases, rows, columns, seed } = options;
  const id = `PHANTOM${String(index).padStart(3, '0')}`;
  const original = `SF-RING-${index}`;
  const name = `phantom ${seed} ${id} ${slices}x${phases} ${rows}x${columns}`;
  const random = randomBits(createHash('sha256').update(name).digest().readUInt32LE(0));
  const shape = heartShape(random);
  await mkdir(join(folder, 'dicoms', id), { recursive: true });
  for (const structure of ['i', 'o']) {
    await mkdir(join(folder, 'contourfiles', original, `${structure}-contours`), { recursive: true });
  }
  const images: PhantomImage[] = [];
  for (let slice = 0; slice < slices; slice++) {
    const still = paintBody(options, random);
    for (let phase = 0; phase < phases; phase++) {
      const number = slice * phases + phase + 1;
      const heart = heartAt(shape, slice / Math.max(1, slices - 1), contraction(phase, phases), options);
      const pixels = expose(paintHeart(still, heart, options), options, random);
      const file = `dicoms/${id}/${number}.dcm`;
      await writeFile(join(folder, file), encodeImage(pixels, { id, name, number, slice, phase }, options));
      const contours = structuresAt(phase, phases).map((structure) => {
        const code = `IM-0001-${String(number).padStart(4, '0')}-${structure}contour-manual.txt`;
        const points = contourPoints(structure === 'i' ? heart.pool : heart.wall);
        return { structure, file: `contourfiles/${original}/${structure}-contours/${code}`, points };
      });
      for (const contour of contours) {
        const lines = contour.points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}\n`);
        await writeFile(join(folder, contour.file), lines.join(''));
      }
      const sha256 = createHash('sha256').update(sampleBytes(pixels)).digest('hex');
      images.push({ slice: String(number), file, sha256, contours });
    }
  }
  const written = images.flatMap(({ contours }) => contours.map(({ structure }) => structure));
  const structures = {
    i: written.filter((one) => one === 'i').length,
    o: written.filter((one) => one === 'o').length,
  };
  return { id, original, slices: images.length, structures, images };
}

function encodeImage(
  pixels: Uint16Array,
  image: { id: string; name: string; number: number; slice: number; phase: number },
  { phases, rows, columns }: Settings,
): Uint8Array {
  const spacingMm = Number((FIELD_OF_VIEW_MM / Math.min(rows, columns)).toFixed(4));
  const elements = imageElements({
    rows,
    columns,
    pixels,
    bitsStored: 12,
    spacingMm: [spacingMm, spacingMm],
    // An oblique plane whose cosines are exact decimals; a position is 10 mm further along its normal (-0.8, 0.6, 0).
    orientation: [0.6, 0.8, 0, 0, 0, -1],
    position: [-60 - 8 * image.slice, -140 + 6 * image.slice, 130],
    windowCenter: 1200,
    windowWidth: 2400,
    modality: 'MR',
    patientId: image.id,
    patientName: image.id,
    instanceNumber: image.number,
    studyUid: seededUid(`${image.name} study`),
    seriesUid: seededUid(`${image.name} series`),
    sopInstanceUid: seededUid(`${image.name} instance ${image.number}`),
    extra: [
      { tag: '00080008', vr: 'CS', value: ['ORIGINAL', 'PRIMARY', 'CARDIAC', 'NONE'] },
      { tag: '00081030', vr: 'LO', value: 'Synthetic short axis' },
      { tag: '00180050', vr: 'DS', value: SLICE_GAP_MM },
      { tag: '00181060', vr: 'DS', value: Number(((HEARTBEAT_MS * image.phase) / phases).toFixed(3)) },
      { tag: '00181090', vr: 'IS', value: phases },
      { tag: '00200011', vr: 'IS', value: 1 },
      { tag: '00200052', vr: 'UI', value: seededUid(`${image.name} frame of reference`) },
      { tag: '00201041', vr: 'DS', value: SLICE_GAP_MM * image.slice },
    ],
  });
  return writePart10(elements, { transferSyntax: EXPLICIT_LITTLE });
}

function heartShape(random: () => number): Shape {
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
function heartAt(shape: Shape, depth: number, squeeze: number, { rows, columns }: Size): Heart {
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

function contraction(phase: number, phases: number): number {
  const systole = endSystole(phases);
  const way = phase <= systole ? phase / Math.max(1, systole) : (phases - phase) / (phases - systole);
  return way * way * (3 - 2 * way);
}

function endSystole(phases: number): number {
  return phases === 1 ? 0 : Math.max(1, Math.round(0.4 * phases));
}

function structuresAt(phase: number, phases: number): ('i' | 'o')[] {
  if (phase === 0) return ['i', 'o'];
  return phase === endSystole(phases) ? ['i'] : [];
}

/** 60 to 150 points, about 0.8 pixels apart. */
function contourPoints(outline: Outline): [number, number][] {
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

function paintBody({ rows, columns }: Size, random: () => number): Float32Array {
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

function paintHeart(still: Float32Array, { pool, wall, right }: Heart, size: Size): Float32Array {
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

/** The magnitude of a complex signal with noise, so that noise stays positive in air, under a coil that fades downwards. */
function expose(signal: Float32Array, { rows, columns }: Size, random: () => number): Uint16Array {
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

/** Marsaglia's 32-bit xorshift with the shifts 13, 17, 5. */
function randomBits(seed: number): () => number {
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

function demand(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} is a whole number from ${least} to ${most}, not ${value}`);
}
