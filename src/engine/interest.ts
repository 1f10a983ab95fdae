import type { Segment } from '../loader/spool.js';
import type { Lease, Loading, SlotOutcome } from './engine.js';
import type { Flight, Loaded } from './flight.js';

/** One of those who want a flight's batch, until they let go. */
export class Interest implements Loading {
  readonly lease: Promise<Lease>;
  #flight: Flight;
  #held = true;

  constructor(flight: Flight) {
    this.#flight = flight;
    this.lease = flight.result.then((loaded) => new FlightLease(flight, loaded, this));
    this.lease.catch(() => {});
  }

  get held(): boolean {
    return this.#held;
  }
  get finished(): boolean {
    return this.#flight.finished;
  }
  get stale(): boolean {
    return this.#flight.stale;
  }

  raise(): void {
    this.#flight.raise();
  }

  abandon(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#flight.leave();
  }
}

class FlightLease implements Lease {
  readonly sizeBytes: number;
  readonly outcomes: readonly SlotOutcome[];
  readonly loadMs: number;
  #flight: Flight;
  #segment: Segment;
  #interest: Interest;

  constructor(flight: Flight, { segment, outcomes, loadMs }: Loaded, interest: Interest) {
    this.sizeBytes = flight.sizeBytes;
    this.outcomes = outcomes;
    this.loadMs = loadMs;
    this.#flight = flight;
    this.#segment = segment;
    this.#interest = interest;
  }

  get view(): Uint8Array | null {
    return this.#use().view(this.#segment);
  }

  read(offset: number, length: number, into: Uint8Array): void {
    this.#use().read(this.#segment, offset, length, into);
  }

  async draw(...[unit, signal]: Parameters<Lease['draw']>): Promise<Uint8Array> {
    return this.#use().draw(this.#segment, unit, signal);
  }

  release(): void {
    this.#interest.abandon();
  }

  #use(): Flight {
    if (!this.#interest.held) throw new Error('the lease of this batch has ended');
    return this.#flight;
  }
}
