import { createHash } from 'node:crypto';
import { locatePair, type Snapshot } from '../catalog/snapshot.js';
import { contoursOf, learnSource, type Slice, sliceAt } from '../catalog/studies.js';
import { BYTES_VERSION } from '../core/bytes-version.js';
import { type PairId, pairId, type SpecDigest, type StudyId } from '../core/ids.js';
import type { BatchLayout } from '../core/layout.js';
import type { BatchOrder, Lease } from '../engine/engine.js';
import type { LoadUnit, Recipe } from '../loader/messages.js';
import type { Database } from '../sqlite.js';
import type { BatchMetadata } from '../wire/body.js';
import { refuseOutcome } from './refusal.js';

/** Where a batch stands: a step of a rank, or null for one outside any session. */
export interface BatchAddress {
  readonly snapshot: Snapshot['digest'] | '';
  readonly specDigest: SpecDigest | '';
  readonly step: number | null;
  readonly epoch: number | null;
  readonly rank: number | null;
}

/** A slot's pair; null in a padded slot. */
export type BatchPair = { readonly place: number; readonly id: PairId; readonly slice: Slice } | null;

export interface BatchDescription {
  readonly db: Database;
  readonly root: string;
  readonly address: BatchAddress;
  readonly layout: BatchLayout;
  readonly segmentBytes: number;
  readonly recipe: Recipe;
  readonly structures: readonly string[];
  readonly turn: string;
  /** Asked for once, when it is needed first. */
  readonly pairs: () => readonly BatchPair[];
}

/** One batch: what to load, what to say of it, and what its loading found out. */
export class Batch {
  readonly address: BatchAddress;
  readonly layout: BatchLayout;
  readonly order: BatchOrder;
  #description: BatchDescription;
  #pairs: readonly BatchPair[] | null = null;

  constructor(description: BatchDescription, key: string) {
    const { address, layout, segmentBytes, recipe, turn } = description;
    this.#description = description;
    this.address = address;
    this.layout = layout;
    const label: BatchOrder['label'] =
      address.step === null ? { turn } : { session: turn, step: address.step, rank: address.rank ?? 0 };
    this.order = { key, turn, label, layout, segmentBytes, recipe, units: () => this.#units() };
  }

  get pairs(): readonly BatchPair[] {
    this.#pairs ??= this.#description.pairs();
    return this.#pairs;
  }

  /** What travels with the tensors; nothing of it depends on who asks or when. */
  get metadata(): BatchMetadata {
    const { snapshot, specDigest, step, epoch, rank } = this.address;
    const { structures, recipe } = this.#description;
    return {
      snapshot,
      specDigest,
      bytesVersion: BYTES_VERSION,
      step,
      epoch,
      rank,
      pairIds: this.pairs.map((pair) => pair?.id ?? null),
      structures,
      rule: recipe.rule,
      problems: [],
    };
  }

  /** A strong ETag: it names the address and the form, and with them every byte. */
  etag(form: string): string {
    const text = `${this.order.key} ${form} ${BYTES_VERSION}`;
    return `"${createHash('sha256').update(text).digest('base64url').slice(0, 32)}"`;
  }

  /** Throws `SlfError` for the first slot that could not be loaded; writes down what the load learned of the sources. */
  accept(lease: Lease): void {
    lease.outcomes.forEach((outcome, slot) => {
      const pair = this.pairs[slot];
      if (!pair) return;
      if (outcome.kind !== 'loaded') throw refuseOutcome(outcome, pair.id, pair.slice.file);
      if (outcome.checksum !== null || outcome.guard !== null)
        learnSource(this.#description.db, pair.slice, outcome.checksum, outcome.guard);
    });
  }

  #units(): LoadUnit[] {
    const { db, root, structures } = this.#description;
    return this.pairs.map((pair, slot): LoadUnit => {
      if (!pair) return { slot, place: -1, source: null };
      const { file: path, guard, header, headerDigest, checksum, frame, revision, ordinal } = pair.slice;
      return {
        slot,
        place: pair.place,
        source: { root, path, guard, header, headerDigest, checksum, frame },
        polygons: contoursOf(db, revision, ordinal, structures),
      };
    });
  }
}

/** The pairs at these places of a snapshot; -1 is a padded slot. */
export function pairsAt(db: Database, snapshot: Snapshot, places: ArrayLike<number>): BatchPair[] {
  return Array.from(places, (place) => {
    if (place < 0) return null;
    const { study, revision, ordinal } = locatePair(db, snapshot, place);
    const slice = sliceAt(db, revision, ordinal);
    return { place, id: pairId(study as StudyId, slice.slice), slice };
  });
}
