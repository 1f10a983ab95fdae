import type { BatchLayout } from '../core/layout.js';

export type BatchFormat = 'safetensors' | 'npz';

/** A run of bytes of the batch's data section, which the segment holds as it travels; `to` is exclusive. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** Bytes to send as they are, or a place of the segment to send them from. */
export type Piece = Uint8Array | Range;

/** One answer's bytes: `pieces` in order, none of them empty, together exactly `sizeBytes`. */
export interface Body {
  readonly contentType: string;
  /** Of a file with these bytes, without the dot. */
  readonly extension: string;
  readonly sizeBytes: number;
  readonly pieces: readonly Piece[];
}

/** What is odd about a batch or one of its pairs. `file` is relative to its source; null where none is meant. */
export interface BatchProblem {
  readonly code: string;
  readonly pair: string | null;
  readonly file: string | null;
  readonly detail: string;
}

/** What a batch says about itself; it holds nothing that differs between two sessions of equal snapshot and spec. */
export interface BatchMetadata {
  /** Empty where the pairs belong to no snapshot. */
  readonly snapshot: string;
  /** Empty where no spec was given. */
  readonly specDigest: string;
  readonly bytesVersion: string;
  /** `step`, `epoch` and `rank` are null for pairs that no session asked for. */
  readonly step: number | null;
  readonly epoch: number | null;
  readonly rank: number | null;
  /** One per slot, in slot order; null in a padded slot. */
  readonly pairIds: readonly (string | null)[];
  /** One per mask, in the order of the masks' second axis. */
  readonly structures: readonly string[];
  readonly rule: string;
  readonly problems: readonly BatchProblem[];
}

/** Exactly the fields that travel, in their one order, so that equal metadata gives equal bytes. */
export function travellingMetadata(metadata: BatchMetadata): BatchMetadata {
  const { snapshot, specDigest, bytesVersion, step, epoch, rank, pairIds, structures, rule } = metadata;
  const problems = metadata.problems.map(({ code, pair, file, detail }) => ({ code, pair, file, detail }));
  return { snapshot, specDigest, bytesVersion, step, epoch, rank, pairIds, structures, rule, problems };
}

/** Throws a RangeError where the metadata names another number of slots or structures than the tensors have. */
export function assertDescribes(metadata: BatchMetadata, layout: BatchLayout): void {
  const { slots, structures } = layout.shape;
  if (metadata.pairIds.length !== slots)
    throw new RangeError(`${metadata.pairIds.length} pair ids for ${slots} slots`);
  if (metadata.structures.length !== structures)
    throw new RangeError(`${metadata.structures.length} structure names for ${structures} masks a slot`);
}
