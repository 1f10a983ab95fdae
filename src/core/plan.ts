import { permutation } from './permutation.js';

/** What becomes of an epoch's last batch where `pairs` is no multiple of `batchSize`. */
export type LastBatch = 'keep' | 'drop' | 'pad';

/** What decides which pairs are in which batch of which rank. */
export interface PlanSpec {
  /** Pairs of the snapshot, 0 … 2^53-1. */
  readonly pairs: number;
  /** Pairs in one global batch, at least 1, a multiple of `worldSize`. */
  readonly batchSize: number;
  /** Ranks that share each global batch, at least 1. */
  readonly worldSize: number;
  /** A new order each epoch; false: the snapshot's order, whatever `seed` is. */
  readonly shuffle: boolean;
  /** 0 … 2^53-1. */
  readonly seed: number;
  /** At least 1; null: without end. */
  readonly epochs: number | null;
  readonly lastBatch: LastBatch;
}

/** Says which pairs each rank gets at each step, by computing: nothing of the order is stored. */
export interface Plan {
  /** The same for every rank; 0 where there is no pair, or fewer than `batchSize` under `drop`. */
  readonly stepsPerEpoch: number;
  /** Over all epochs; null: without end. Always 0 where `stepsPerEpoch` is. */
  readonly steps: number | null;
  /** Slots of a full share: `batchSize / worldSize`. */
  readonly slots: number;
  /** How many pairs `dropped` gives: the same in each epoch. */
  readonly droppedPerEpoch: number;
  /** @throws RangeError for a step that the plan does not have */
  epochOf(step: number): number;
  /**
   * The place in the snapshot of each slot of a rank's share, in order; -1 in a padded slot. As long as
   * `slots`, except under `keep` in an epoch's last batch, where it is as long as the rank's run: runs differ
   * by at most one between ranks and may be empty. The caller owns the array.
   *
   * @throws RangeError for a step or rank that the plan does not have
   */
  share(step: number, rank: number): Float64Array;
  /**
   * The places in the snapshot of the pairs that no step of this epoch delivers, in the epoch's order; empty
   * but under `drop`. Can be iterated once.
   *
   * @throws RangeError at the call, for an epoch that the plan does not have
   */
  dropped(epoch: number): Iterable<number>;
}

/**
 * Plans a session. Global batch k of an epoch is the positions from k * batchSize of that epoch's order,
 * whatever `worldSize` is; its m real pairs are cut into `worldSize` contiguous runs, longer ones first, one
 * per rank, and padding ends each rank's share.
 *
 * @throws RangeError for a spec with a value out of its range, with that value in the message
 */
export function plan(spec: PlanSpec): Plan {
  check(spec);
  const { pairs, batchSize, worldSize, epochs, lastBatch } = spec;
  const slots = batchSize / worldSize;
  const left = pairs % batchSize;
  const fullBatches = Math.floor(pairs / batchSize);
  const stepsPerEpoch = fullBatches + (left > 0 && lastBatch !== 'drop' ? 1 : 0);
  const steps = stepsPerEpoch === 0 ? 0 : epochs === null ? null : epochs * stepsPerEpoch;
  if (steps !== null && !Number.isSafeInteger(steps)) {
    throw new RangeError(`epochs must keep the steps of the whole training below 2^53: ${epochs}`);
  }
  const droppedPerEpoch = lastBatch === 'drop' ? left : 0;
  const orderOf = spec.shuffle ? lastTwoOrders(pairs, spec.seed) : () => inSnapshotOrder;

  function epochOf(step: number): number {
    checkIndex('step', step, steps);
    return Math.floor(step / stepsPerEpoch);
  }

  function share(step: number, rank: number): Float64Array {
    const epoch = epochOf(step);
    checkIndex('rank', rank, worldSize);
    const batchStart = (step % stepsPerEpoch) * batchSize;
    const real = Math.min(batchSize, pairs - batchStart);
    const longerRuns = real % worldSize;
    const shorter = (real - longerRuns) / worldSize;
    const run = shorter + (rank < longerRuns ? 1 : 0);
    const runStart = batchStart + rank * shorter + Math.min(rank, longerRuns);
    const order = orderOf(epoch);
    const places = new Float64Array(lastBatch === 'pad' ? slots : run);
    for (let slot = 0; slot < run; slot++) places[slot] = order(runStart + slot);
    return places.fill(-1, run);
  }

  function dropped(epoch: number): Iterable<number> {
    checkIndex('epoch', epoch, epochs);
    return placesFrom(orderOf(epoch), pairs - droppedPerEpoch, pairs);
  }

  return { stepsPerEpoch, steps, slots, droppedPerEpoch, epochOf, share, dropped };
}

type Order = (position: number) => number;

const inSnapshotOrder: Order = (position) => position;

/** The orders by epoch, two of them kept: around an epoch's end ranks and warm batches ask for both in turn. */
function lastTwoOrders(pairs: number, seed: number): (epoch: number) => Order {
  let newer: { epoch: number; order: Order } | undefined;
  let older: typeof newer;
  return (epoch) => {
    if (newer?.epoch === epoch) return newer.order;
    const found = older?.epoch === epoch ? older : { epoch, order: permutation(pairs, seed, epoch) };
    older = newer;
    newer = found;
    return found.order;
  };
}

function* placesFrom(order: Order, from: number, to: number): Generator<number> {
  for (let position = from; position < to; position++) yield order(position);
}

function check(spec: PlanSpec): void {
  const { pairs, batchSize, worldSize, seed, epochs, lastBatch } = spec;
  checkInteger('pairs', pairs, 0);
  checkInteger('batchSize', batchSize, 1);
  checkInteger('worldSize', worldSize, 1);
  checkInteger('seed', seed, 0);
  if (epochs !== null) checkInteger('epochs', epochs, 1);
  if (batchSize % worldSize !== 0) {
    throw new RangeError(`batchSize must be a multiple of worldSize ${worldSize}: ${batchSize}`);
  }
  if (lastBatch !== 'keep' && lastBatch !== 'drop' && lastBatch !== 'pad') {
    throw new RangeError(`lastBatch must be keep, drop or pad: ${lastBatch}`);
  }
}

function checkInteger(name: string, value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least)) {
    throw new RangeError(`${name} must be an integer from ${least} to 2^53-1: ${value}`);
  }
}

/** @param end one past the last index; null: any */
function checkIndex(name: string, value: number, end: number | null): void {
  if (!(Number.isSafeInteger(value) && value >= 0 && (end === null || value < end))) {
    throw new RangeError(`${name} must be an integer in [0, ${end ?? '2^53'}): ${value}`);
  }
}
