import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  contourPoints,
  contraction,
  expose,
  heartAt,
  heartShape,
  paintBody,
  paintHeart,
  randomBits,
  structuresAt,
} from './heart.js';
import { imageElements } from './image-elements.js';
import { EXPLICIT_LITTLE, sampleBytes, seededUid, writePart10 } from './part10.js';

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

const FIELD_OF_VIEW_MM = 260;
const SLICE_GAP_MM = 10;
const HEARTBEAT_MS = 800;

/**
 * Writes a data set in the layout of the Sunnybrook Cardiac Data (`link.csv`, `dicoms`, `contourfiles`): short-axis MR
 * of a beating ring, 16 bits allocated and 12 stored, explicit little endian, every pixel made here from the seed.
 * At end-diastole (its first phase) each position has an `i` (inner) and an `o` (outer) contour, at end-systole an `i` alone, at the other
 * phases none; with a single phase there is no end-systole. The same options give the same bytes. `onStudy` is told after
 * each study how many are made; what it throws ends the making.
 * @throws RangeError on an option out of its range, Error where the folder holds such a data set already.
 */
export async function makePhantom(
  folder: string,
  options: PhantomOptions = {},
  onStudy: (made: number) => void = () => {},
): Promise<PhantomTruth> {
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
    onStudy(index);
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

function demand(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} is a whole number from ${least} to ${most}, not ${value}`);
}
