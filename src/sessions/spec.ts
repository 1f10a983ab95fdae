import { createHash } from 'node:crypto';
import type { Selection } from '../catalog/selection.js';
import type { Fit } from '../core/fit.js';
import type { SpecDigest } from '../core/ids.js';
import type { Normalize } from '../core/normalize.js';
import type { Holes } from '../core/part.js';
import { PERMUTATION_ID } from '../core/permutation.js';
import type { ImageDType } from '../core/pixels.js';
import type { LastBatch } from '../core/plan.js';
import type { MaskRule } from '../core/rasterize.js';
import type { SourceChoice } from '../core/source-choice.js';
import type { Values } from '../core/values.js';

/** A part of the studies, by their patients: those whose fold of `of` is among `parts`. */
export interface Split {
  readonly of: number;
  readonly parts: readonly number[];
  readonly seed: number;
}

/** A session's spec with every default filled in. */
export interface Spec extends Omit<Selection, 'leftOut' | 'sources'> {
  readonly studies: 'all' | readonly string[];
  readonly excludeStudies: readonly string[];
  readonly split: Split | null;
  /** The snapshot asked for by name. */
  readonly snapshot: string | null;
  readonly exclude: readonly string[];
  /** Missing if nothing was asked for: then the spec has the digest that it would have without this field. */
  readonly sources?: SourceChoice;
  readonly batchSize: number;
  readonly worldSize: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly epochs: number | null;
  readonly lastBatch: LastBatch;
  readonly prefetch: number;
  readonly image: {
    readonly values: Values;
    readonly dtype: ImageDType;
    readonly normalize: Normalize;
    readonly channels: 1 | 3;
  };
  readonly mask: {
    readonly rule: MaskRule;
    readonly holes: Holes;
    readonly origin: 'integer' | 'half';
  };
  readonly shape: {
    readonly fit: Fit;
    /** Null with `columns` where each batch has one pair and its own shape. */
    readonly rows: number | null;
    readonly columns: number | null;
    readonly fill: number;
  };
  readonly onError: 'fail' | 'mask';
}

/** JSON whose object keys are sorted, so that equal values are equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/**
 * Names the part of a spec that decides bytes: prefetch and epochs don't, and the list of pairs has a name of its own.
 * The id of the permutation belongs to it.
 */
export function specDigest(spec: Spec): SpecDigest {
  const { prefetch: _, epochs: __, snapshot: ___, ...decisive } = spec;
  const text = canonicalJson({ ...decisive, permutation: PERMUTATION_ID });
  return createHash('sha256').update(text).digest('hex') as SpecDigest;
}
