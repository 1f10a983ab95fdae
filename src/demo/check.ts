import { createHash } from 'node:crypto';
import { largestOf, smallestOf } from '../core/long-lists.js';
import type { PhantomImage, PhantomTruth } from './phantom.js';
import type { ReceivedBatch, SessionTimings } from './reader.js';

/** One promise and whether it was kept; `detail` is for people. */
export interface Check {
  readonly name: 'tensors' | 'pairs' | 'images' | 'masks' | 'waits';
  readonly passed: boolean;
  readonly detail: string;
}

/** A pair as it arrived: an image of uint16 and one mask of bytes for each structure, row-major. */
interface ReceivedPair {
  readonly id: string;
  readonly image: Uint8Array;
  readonly masks: ReadonlyMap<string, Uint8Array>;
}

type Points = readonly (readonly [column: number, row: number])[];

/** The service rounds what it tells of a wait to hundredths of a millisecond. */
const ROUNDING_MS = 0.005;

/** The pairs, by id, that a session over these structures must give: images that carry all of them. */
export function expectedPairs(
  truth: PhantomTruth,
  structures: readonly string[],
): ReadonlyMap<string, PhantomImage> {
  const pairs = truth.studies.flatMap(({ id, images }) =>
    images
      .filter(({ contours }) =>
        structures.every((name) => contours.some(({ structure }) => structure === name)),
      )
      .map((image) => [`${id}/${image.slice}`, image] as const),
  );
  return new Map(pairs);
}

/** Holds one epoch against the truth: which pairs came, their pixels, their masks, and what was told of waiting. */
export function checkEpoch(
  truth: PhantomTruth,
  structures: readonly string[],
  batches: readonly ReceivedBatch[],
  timings: SessionTimings,
): Check[] {
  const faults = batches.flatMap((batch) => tensorFaults(batch, truth, structures));
  if (faults.length > 0) return [{ name: 'tensors', passed: false, detail: faults[0]! }];
  const expected = expectedPairs(truth, structures);
  const received = batches.flatMap((batch) => pairsOf(batch, truth, structures));
  return [
    checkPairs(expected, received),
    checkImages(expected, received),
    checkMasks(expected, received, structures, truth),
    checkWaits(batches, timings),
  ];
}

/**
 * The pixels of a closed polygon, one byte 0 or 1 each, row-major: one is inside when a ray from its centre to the right crosses the
 * polygon an odd number of times (W. R. Franklin's PNPOLY), asked of every pixel for itself.
 */
export function fillEvenOdd(points: Points, rows: number, columns: number): Uint8Array {
  const mask = new Uint8Array(rows * columns);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const right = Math.min(columns - 1, Math.ceil(largestOf(xs)));
  const bottom = Math.min(rows - 1, Math.ceil(largestOf(ys)));
  for (let y = Math.max(0, Math.floor(smallestOf(ys))); y <= bottom; y++)
    for (let x = Math.max(0, Math.floor(smallestOf(xs))); x <= right; x++) {
      let inside = 0;
      for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
        if (ys[i]! > y === ys[j]! > y) continue;
        if (x < ((xs[j]! - xs[i]!) * (y - ys[i]!)) / (ys[j]! - ys[i]!) + xs[i]!) inside ^= 1;
      }
      mask[y * columns + x] = inside;
    }
  return mask;
}

/** What of a batch can't be read as the uint16 images and masks of the truth's shape that were asked for. */
function tensorFaults(batch: ReceivedBatch, truth: PhantomTruth, structures: readonly string[]): string[] {
  const { rows, columns } = truth;
  const names = JSON.parse(batch.metadata.structures ?? '[]') as string[];
  if (names.join() !== structures.join())
    return [`step ${batch.step}: its structures are ${names.join(', ')}, not ${structures.join(', ')}`];
  const slots = slotIds(batch).length;
  const wanted = {
    images: `U16 [${[slots, 1, rows, columns]}]`,
    masks: `BOOL [${[slots, names.length, rows, columns]}]`,
    valid: `BOOL [${slots}]`,
  };
  return Object.entries(wanted).flatMap(([name, want]) => {
    const tensor = batch.tensors.get(name);
    const found = tensor ? `${tensor.dtype} [${tensor.shape}]` : 'missing';
    return found === want ? [] : [`step ${batch.step}: the tensor ${name} is ${found}, not ${want}`];
  });
}

function slotIds(batch: ReceivedBatch): (string | null)[] {
  return JSON.parse(batch.metadata.pairIds ?? '[]') as (string | null)[];
}

/** The valid slots of a batch. */
function pairsOf(
  batch: ReceivedBatch,
  { rows, columns }: PhantomTruth,
  structures: readonly string[],
): ReceivedPair[] {
  const [images, masks, valid] = ['images', 'masks', 'valid'].map((name) => batch.tensors.get(name)!.bytes);
  const plane = rows * columns;
  return slotIds(batch).flatMap((id, slot) => {
    if (id === null || valid![slot] !== 1) return [];
    const own = structures.map((name, index) => {
      const at = (slot * structures.length + index) * plane;
      return [name, masks!.subarray(at, at + plane)] as const;
    });
    return [{ id, image: images!.subarray(2 * slot * plane, 2 * (slot + 1) * plane), masks: new Map(own) }];
  });
}

function checkPairs(expected: ReadonlyMap<string, unknown>, received: readonly ReceivedPair[]): Check {
  const counts = new Map<string, number>();
  for (const { id } of received) counts.set(id, (counts.get(id) ?? 0) + 1);
  const faults = [
    ...listed(
      'missing',
      [...expected.keys()].filter((id) => !counts.has(id)),
    ),
    ...listed(
      'repeated',
      [...counts.keys()].filter((id) => counts.get(id)! > 1),
    ),
    ...listed(
      'not asked for',
      [...counts.keys()].filter((id) => !expected.has(id)),
    ),
  ];
  return {
    name: 'pairs',
    passed: faults.length === 0,
    detail: faults.join('; ') || `${expected.size} of ${expected.size}, each exactly once`,
  };
}

function checkImages(expected: ReadonlyMap<string, PhantomImage>, received: readonly ReceivedPair[]): Check {
  const wrong = received.filter(
    ({ id, image }) => createHash('sha256').update(image).digest('hex') !== expected.get(id)?.sha256,
  );
  const faults = listed(
    'not the pixels of the file',
    wrong.map(({ id }) => id),
  );
  return {
    name: 'images',
    passed: faults.length === 0 && received.length > 0,
    detail: faults[0] ?? `${received.length} equal to the stored values of their files, pixel by pixel`,
  };
}

function checkMasks(
  expected: ReadonlyMap<string, PhantomImage>,
  received: readonly ReceivedPair[],
  structures: readonly string[],
  { rows, columns }: PhantomTruth,
): Check {
  const wrong: string[] = [];
  for (const { id, masks } of received)
    for (const name of structures) {
      const contour = expected.get(id)?.contours.find(({ structure }) => structure === name);
      const wanted = fillEvenOdd(contour?.points ?? [], rows, columns);
      const found = masks.get(name) ?? new Uint8Array(0);
      const pixels = wanted.reduce((sum, value, at) => sum + Number(found[at] !== value), 0);
      if (pixels > 0) wrong.push(`${id} ${name} (${pixels} px)`);
    }
  const faults = listed('not the even-odd fill of the contour', wrong);
  const count = received.length * structures.length;
  return {
    name: 'masks',
    passed: faults.length === 0 && count > 0,
    detail: faults[0] ?? `${count} equal to an even-odd fill of their contours, pixel by pixel`,
  };
}

function checkWaits(batches: readonly ReceivedBatch[], timings: SessionTimings): Check {
  const hits = batches.filter(({ warm }) => warm).length;
  const loadingMs = batches.reduce((sum, batch) => sum + batch.loadingMs, 0);
  const told = `${hits} warm, ${batches.length - hits} not, ${loadingMs.toFixed(1)} ms`;
  const summed = `${timings.hits} warm, ${timings.misses} not, ${timings.waitMs.toFixed(1)} ms`;
  const agree =
    hits === timings.hits &&
    batches.length - hits === timings.misses &&
    Math.abs(loadingMs - timings.waitMs) <= ROUNDING_MS * (batches.length + 1);
  const longer = batches.filter((batch) => !(batch.loadingMs <= batch.waitMs + ROUNDING_MS));
  const faults = [
    ...(agree ? [] : [`the answers told ${told}; their session tells ${summed}`]),
    ...listed(
      'told a longer wait than there was',
      longer.map(({ step }) => `step ${step}`),
    ),
  ];
  return {
    name: 'waits',
    passed: faults.length === 0,
    detail: faults.join('; ') || `the answers and their session tell the same: ${told}`,
  };
}

/** One fault with the first few it concerns; none where there are none. */
function listed(fault: string, which: readonly string[]): string[] {
  if (which.length === 0) return [];
  const more = which.length > 3 ? ` and ${which.length - 3} more` : '';
  return [`${which.length} ${fault}: ${which.slice(0, 3).join(', ')}${more}`];
}
