import { hash } from 'node:crypto';
import type { BaseLogger } from 'pino';
import type { Quarantine } from '../catalog/quarantine.js';
import {
  isCurrent,
  type Learned,
  learnSources,
  recordsAt,
  type SliceRecord,
  writeLearned,
} from '../catalog/slices.js';
import type { SlotSources } from '../catalog/slot-sources.js';
import { locatePair, type Snapshot } from '../catalog/snapshot.js';
import { BYTES_VERSION } from '../core/bytes-version.js';
import { type PairId, pairId, type SpecDigest } from '../core/ids.js';
import type { BatchLayout } from '../core/layout.js';
import type { BatchOrder, Lease } from '../engine/engine.js';
import { SlfError } from '../errors.js';
import type { LoadUnit, Recipe } from '../loader/messages.js';
import type { SealedSource } from '../loader/sealed.js';
import { shownName } from '../sources/place.js';
import type { Database } from '../sqlite.js';
import type { BatchMetadata, BatchProblem, Body } from '../wire/body.js';
import { safetensorsBody } from '../wire/safetensors.js';
import { findingOf, refuseFinding } from './refusal.js';
import type { MaskAddress, Verdict, Verdicts } from './verdicts.js';

/** Where a batch stands; step, epoch and rank are null for one outside any session. */
export interface BatchAddress {
  readonly snapshot: Snapshot['digest'] | '';
  readonly specDigest: SpecDigest | '';
  readonly step: number | null;
  readonly epoch: number | null;
  readonly rank: number | null;
}

/** A slot's pair; null in a padded slot. */
export type BatchPair = { readonly place: number; readonly id: PairId; readonly slice: SliceRecord } | null;

export interface BatchContext {
  readonly db: Database;
  readonly slotSources: SlotSources;
  readonly quarantine: Quarantine;
  readonly log: Pick<BaseLogger, 'info' | 'warn'>;
}

export interface BatchDescription {
  readonly address: BatchAddress;
  readonly layout: BatchLayout;
  readonly segmentBytes: number;
  readonly recipe: Recipe;
  readonly structures: readonly string[];
  /**
   * Returns further problems of pairs, beside those of broken ones; null: there are none. They name no file:
   * a file's place may change, the bytes of an address may not.
   */
  readonly tell: ((pairs: readonly NonNullable<BatchPair>[]) => readonly BatchProblem[]) | null;
  /** What the slots of slices are loaded from, in their order. */
  readonly sourcesOf: (slices: readonly SliceRecord[]) => readonly SealedSource[];
  readonly turn: string;
  /** Whether a session reserved room for the batch. */
  readonly isReserved: boolean;
  /** Where broken pairs are masked: who remembers what was said of them. */
  readonly masks: { readonly verdicts: Verdicts; readonly address: MaskAddress } | null;
  /** Asked for when it is needed first, and again where something was learned of slices before the load. */
  readonly pairs: () => readonly BatchPair[];
}

/** One batch: what to load, what to say of it, and what its loading found out. */
export class Batch {
  readonly address: BatchAddress;
  readonly layout: BatchLayout;
  readonly order: BatchOrder;
  #context: BatchContext;
  #description: BatchDescription;
  #pairs: readonly BatchPair[] | null = null;
  #units: LoadUnit[] | null = null;
  #said: Verdict[] | null = null;
  #metadata: BatchMetadata | null = null;
  #safetensors: Body | null = null;
  #etags = new Map<string, string>();

  constructor(context: BatchContext, description: BatchDescription, key: string) {
    const { address, layout, segmentBytes, recipe, turn, isReserved } = description;
    this.#context = context;
    this.#description = description;
    this.address = address;
    this.layout = layout;
    const label: BatchOrder['label'] =
      address.step === null ? { turn } : { session: turn, step: address.step, rank: address.rank ?? 0 };
    this.order = {
      key,
      turn,
      label,
      layout,
      segmentBytes,
      recipe,
      isReserved,
      units: () => this.#plan(),
    };
  }

  get pairs(): readonly BatchPair[] {
    this.#pairs ??= this.#description.pairs();
    return this.#pairs;
  }

  /** Looks up what loading and sending it needs, ahead of time: when it is asked for, nothing is left but to hand it on. */
  prepare(): void {
    this.#plan();
    void this.safetensors;
    this.etag('safetensors');
  }

  get structures(): readonly string[] {
    return this.#description.structures;
  }

  /** What travels with the tensors; nothing of it depends on who asks or when. */
  get metadata(): BatchMetadata {
    this.#metadata ??= this.#describe();
    return this.#metadata;
  }

  /** What it is sent as by default. */
  get safetensors(): Body {
    this.#safetensors ??= safetensorsBody(this.layout, this.metadata);
    return this.#safetensors;
  }

  /** Whether its bytes are settled before it is loaded: always, but where a pair may still turn out to be masked. */
  get settled(): boolean {
    const { masks } = this.#description;
    return masks === null || masks.verdicts.wasGiven(masks.address);
  }

  /** A strong ETag: it names the address, the form and what is said of its pairs, and with them every byte. */
  etag(form: string): string {
    const known = this.#etags.get(form) ?? this.#makeEtag(form);
    this.#etags.set(form, known);
    return known;
  }

  /**
   * Takes a load's outcomes in: what it learned of the sources counts from now on, what ended its loader is quarantined, and what is
   * broken is either masked, or `SlfError` thrown for the first of it.
   */
  accept(lease: Lease): void {
    const { db, quarantine, log } = this.#context;
    const { masks } = this.#description;
    const said = new Set(this.#verdicts().map(({ slot }) => slot));
    const fresh: Verdict[] = [];
    const learned: Learned[] = [];
    lease.outcomes.forEach((outcome, slot) => {
      const pair = this.pairs[slot];
      if (!pair) return;
      const held = quarantine.find(pair.id, pair.slice.headerDigest);
      if (outcome.kind === 'loaded' ? said.has(slot) : outcome.kind === 'empty' && !said.has(slot) && !held)
        throw new SlfError('SLF_LOADER', 'what is said of a pair changed while it was loaded: ask again', {
          pair: pair.id,
          retryAfterS: 1,
        });
      if (outcome.kind === 'loaded') {
        if (outcome.checksum !== null || outcome.guard !== null)
          learned.push({ slice: pair.slice, checksum: outcome.checksum, guard: outcome.guard });
        return;
      }
      if (said.has(slot)) return;
      const finding = outcome.kind === 'empty' && held ? held : findingOf(outcome);
      const { id, slice } = pair;
      if (outcome.kind === 'lethal') {
        const { code, detail } = finding;
        log.warn({ pair: id, file: shownName(slice.path), cause: outcome.cause }, 'pair quarantined');
        quarantine.add({
          pair: id,
          headerDigest: slice.headerDigest,
          file: shownName(slice.path),
          code,
          detail,
          since: Date.now(),
        });
      }
      if (masks === null || outcome.kind === 'changed')
        throw refuseFinding(outcome, finding, id, shownName(slice.path));
      fresh.push({ slot, pair: id, code: finding.code, file: shownName(slice.path), detail: finding.detail });
    });
    if (learned.length > 0) learnSources(db, learned);
    // Within a session it is written down with the delivery.
    if (this.address.step === null) writeLearned(db);
    if (masks === null) return;
    masks.verdicts.give(masks.address, fresh);
    for (const { pair, file, code } of fresh)
      log.warn({ ...this.order.label, pair, file, code }, 'pair masked');
    if (fresh.length === 0) return;
    this.#said = this.#metadata = this.#safetensors = null;
    this.#etags.clear();
  }

  #makeEtag(form: string): string {
    const said = this.#verdicts().map(({ slot, code, detail }) => [slot, code, detail]);
    const text = JSON.stringify([this.order.key, form, BYTES_VERSION, said]);
    return `"${hash('sha256', text, 'base64url').slice(0, 32)}"`;
  }

  #describe(): BatchMetadata {
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
      problems: [
        ...this.#verdicts().map(({ code, pair, file, detail }) => ({ code, pair, file, detail })),
        ...this.#told(),
      ],
    };
  }

  #told(): readonly BatchProblem[] {
    const { tell } = this.#description;
    if (tell === null) return [];
    const masked = new Set(this.#verdicts().map(({ slot }) => slot));
    return tell(this.pairs.flatMap((pair, slot) => (pair && !masked.has(slot) ? [pair] : [])));
  }

  #verdicts(): readonly Verdict[] {
    const { masks } = this.#description;
    if (masks === null) return [];
    this.#said ??= masks.verdicts.said(masks.address);
    return this.#said;
  }

  /** What to load; looked up again where something was learned of its slices since the last time. */
  #plan(): LoadUnit[] {
    const { db } = this.#context;
    if (this.#pairs?.some((pair) => pair && !isCurrent(db, pair.slice))) this.#pairs = this.#units = null;
    this.#units ??= this.#makeUnits();
    return this.#units;
  }

  #makeUnits(): LoadUnit[] {
    const { quarantine } = this.#context;
    const said = new Set(this.#verdicts().map(({ slot }) => slot));
    const isLoaded = this.pairs.map(
      (pair, slot) => pair && !said.has(slot) && !quarantine.find(pair.id, pair.slice.headerDigest),
    );
    const slices = this.pairs.flatMap((pair, slot) => (pair && isLoaded[slot] ? [pair.slice] : []));
    const sources = this.#description.sourcesOf(slices).values();
    return this.pairs.map((pair, slot): LoadUnit => {
      const source = isLoaded[slot] ? sources.next().value! : null;
      return { slot, place: pair?.place ?? -1, source };
    });
  }
}

/** The pairs at these places of a snapshot; -1 is a padded slot. */
export function pairsAt(db: Database, snapshot: Snapshot, places: ArrayLike<number>): BatchPair[] {
  const all = Array.from(places);
  const located = all.filter((place) => place >= 0).map((place) => locatePair(db, snapshot, place));
  const records = recordsAt(db, located);
  let next = 0;
  return all.map((place) => {
    if (place < 0) return null;
    const slice = records[next]!;
    const { study } = located[next++]!;
    return { place, id: pairId(study, slice.slice), slice };
  });
}
