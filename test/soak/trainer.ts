import { readBatch } from '../fixtures/batch.js';
import type { OpenedSession } from '../fixtures/client.js';
import type { Feed } from './feed.js';
import type { Ledger } from './ledger.js';
import { below } from './random.js';

/** A session that several trainers read to one common end. */
export interface SharedSession {
  readonly opened: OpenedSession;
  readonly world: number;
  /** The step after the last one that its trainers read; comes nearer when time is up. */
  endStep: number;
  /** The last epoch that a trainer asked for. */
  begunEpoch: number;
}

export interface TrainerOptions {
  readonly session: SharedSession;
  readonly rank: number;
  readonly feed: Feed;
  readonly ledger: Ledger;
  readonly random: () => number;
  /** Told of each whole body. */
  readonly onBody: () => void;
}

const STREAMED = 8;

/** Reads a rank's batches in order to the session's end, in turns by every way there is, and looks at old ones now and then. */
export async function train(options: TrainerOptions): Promise<void> {
  const { session, rank, feed, ledger, random, onBody } = options;
  const { id, stepsPerEpoch, pairs } = session.opened;
  const base = `/v1/sessions/${id}`;
  const compare = (step: number, form: 'safetensors' | 'npz', body: Buffer) => {
    ledger.compare({ session: id, step, rank, form }, body);
    onBody();
  };
  const take = (step: number, body: Buffer) => {
    compare(step, 'safetensors', body);
    const { metadata, tensors } = readBatch(body);
    if (metadata.step !== String(step) || metadata.rank !== String(rank))
      ledger.differ(
        `${id} step ${step} rank ${rank}: the body says step ${metadata.step} rank ${metadata.rank}`,
      );
    ledger.train(id, Math.floor(step / stepsPerEpoch), pairs, placesOf(tensors.pairs!.bytes));
  };
  const again = async (step: number, form: 'safetensors' | 'npz') =>
    compare(step, form, await feed.body({ path: `${base}/batches/${step}?rank=${rank}&format=${form}` }));
  for (let step = 0; step < session.endStep; ) {
    session.begunEpoch = Math.max(session.begunEpoch, Math.floor(step / stepsPerEpoch));
    const way = random();
    if (way < 0.3) {
      take(step, await feed.body({ path: `${base}/batches/${step}?rank=${rank}` }));
      step++;
    } else if (way < 0.6) {
      const path = `${base}/next?rank=${rank}&after=${step - 1}`;
      take(step, await feed.body({ method: 'POST', path }));
      step++;
    } else {
      // Within an epoch, so that what was begun is known; one that leaves early asks for more than it reads.
      const epochEnd = (Math.floor(step / stepsPerEpoch) + 1) * stepsPerEpoch;
      const leaves = way > 0.9;
      const to = Math.min(epochEnd, step + STREAMED);
      const readTo = leaves ? step + 1 + below(random, to - step) : to;
      for await (const body of feed.bodies({ path: `${base}/stream?rank=${rank}&from=${step}&to=${to}` })) {
        take(step, body);
        if (++step === readTo) break;
      }
    }
    if (random() < 0.1 && step > 0) await again(below(random, step), 'safetensors');
    if (random() < 0.05 && step > 0) await again(below(random, step), 'npz');
  }
}

function placesOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 8 }, (_, at) => Number(bytes.readBigInt64LE(8 * at)));
}
