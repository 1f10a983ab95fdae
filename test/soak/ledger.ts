import { createHash } from 'node:crypto';

/** Where a body stands: a session's name, a step, a rank and the form of the body. */
export interface BodyAddress {
  readonly session: string;
  readonly step: number;
  readonly rank: number;
  readonly form: 'safetensors' | 'npz';
}

const TOLD_DIFFERENCES = 20;

function keyOf({ session, step, rank, form }: BodyAddress): string {
  return `${session} step ${step} rank ${rank} ${form}`;
}

/** What trainers got: the digest of each address' first body, to which every later one is compared, and how often each pair was trained on. */
export class Ledger {
  /** Whole bodies, repeats included. */
  bodies = 0;
  differences = 0;
  /** The first differences, in words. */
  readonly told: string[] = [];
  #digests = new Map<string, string>();
  #addresses = new Map<string, BodyAddress>();
  #counts = new Map<string, Uint8Array>();

  /** Compares a whole body with what the same address gave before, or keeps it as the first. */
  compare(address: BodyAddress, body: Uint8Array): void {
    this.bodies++;
    const digest = createHash('sha256').update(body).digest('base64');
    const key = keyOf(address);
    const first = this.#digests.get(key);
    if (first === undefined) {
      this.#digests.set(key, digest);
      this.#addresses.set(key, address);
    } else if (first !== digest) this.differ(`${key}: other bytes than before`);
  }

  /** Whether an address was ever given. */
  knows(address: BodyAddress): boolean {
    return this.#digests.has(keyOf(address));
  }

  /** Every address of a session and rank that gave a body. */
  addresses(session: string, rank: number): BodyAddress[] {
    return [...this.#addresses.values()].filter((one) => one.session === session && one.rank === rank);
  }

  /** Counts the pairs of a batch that was trained on; `places` are those of the snapshot, -1 where padded. */
  train(session: string, epoch: number, pairs: number, places: Iterable<number>): void {
    const key = `${session} epoch ${epoch}`;
    const counts = this.#counts.get(key) ?? new Uint8Array(pairs);
    this.#counts.set(key, counts);
    for (const place of places) {
      if (place === -1) continue;
      if (place < 0 || place >= pairs) this.differ(`${key}: place ${place} of ${pairs} pairs`);
      else if (++counts[place]! === 2) this.differ(`${key}: pair ${place} came twice`);
    }
  }

  /** How many pairs of an epoch were trained on. */
  trained(session: string, epoch: number): number {
    return (
      this.#counts.get(`${session} epoch ${epoch}`)?.reduce((sum, count) => sum + Math.min(count, 1), 0) ?? 0
    );
  }

  /** Takes a difference down. */
  differ(words: string): void {
    this.differences++;
    if (this.told.length < TOLD_DIFFERENCES) this.told.push(words);
  }
}
