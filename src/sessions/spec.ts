import { createHash } from 'node:crypto';
import { type Static, Type } from 'typebox';
import type { SpecDigest } from '../core/ids.js';
import { PERMUTATION_ID } from '../core/permutation.js';
import type { ImageDType } from '../core/pixels.js';
import { SlfError } from '../errors.js';

const oneOf = <const T extends readonly string[]>(values: T, options: object = {}) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values, ...options });

const Names = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { description, maxItems: 10_000 });
const closed = { additionalProperties: false };

/** The body that opens a session; every field may be left out. */
export const SpecRequest = Type.Object(
  {
    studies: Type.Optional(
      Type.Unsafe<'all' | string[]>({
        anyOf: [{ type: 'string', enum: ['all'] }, Names('study ids')],
        description: '`"all"` or study ids',
      }),
    ),
    excludeStudies: Type.Optional(Names('study ids to leave out')),
    where: Type.Optional(
      Type.Object(
        { modality: Type.Optional(Names('modalities')), series: Type.Optional(Names('SeriesInstanceUIDs')) },
        closed,
      ),
    ),
    split: Type.Optional(
      Type.Object(
        {
          of: Type.Integer({ minimum: 2, maximum: 1000 }),
          parts: Type.Array(Type.Integer({ minimum: 0, maximum: 999 }), { minItems: 1 }),
          seed: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
        },
        closed,
      ),
    ),
    snapshot: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{64}$', description: 'reopen exactly this list of pairs' }),
    ),
    structures: Type.Optional(
      Names('structures; a slice is a pair when it has all of them; `[]`: every slice, images only'),
    ),
    missing: Type.Optional(oneOf(['exclude', 'empty'])),
    rename: Type.Optional(Type.Record(Type.String(), Names('names that mean one structure'))),
    exclude: Type.Optional(Names('codes of the quality report')),
    batchSize: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_536, description: 'pairs in one global batch; default 8' }),
    ),
    worldSize: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 4_096,
        description: 'trainer processes that share the session; default 1',
      }),
    ),
    shuffle: Type.Optional(Type.Boolean({ description: 'a new order each epoch; default true' })),
    seed: Type.Optional(
      Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'default 0' }),
    ),
    epochs: Type.Optional(
      Type.Unsafe<number | null>({
        type: ['integer', 'null'],
        minimum: 1,
        maximum: 1_000_000,
        description: 'null: without end',
      }),
    ),
    lastBatch: Type.Optional(
      oneOf(['keep', 'drop', 'pad'], { description: 'default keep; pad where worldSize > 1' }),
    ),
    prefetch: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 16, description: 'batches kept warm ahead, per rank; default 1' }),
    ),
    image: Type.Optional(
      Type.Object(
        {
          values: Type.Optional(
            oneOf(['stored', 'rescaled', 'windowed'], { description: 'default rescaled' }),
          ),
          dtype: Type.Optional(
            oneOf(['auto', 'uint8', 'int16', 'uint16', 'int32', 'float16', 'float32'], {
              description: 'default auto',
            }),
          ),
          normalize: Type.Optional(oneOf(['none', 'minmax', 'zscore'])),
          channels: Type.Optional(Type.Unsafe<1 | 3>({ type: 'integer', enum: [1, 3] })),
        },
        closed,
      ),
    ),
    mask: Type.Optional(
      Type.Object(
        {
          rule: Type.Optional(
            oneOf(['pixel-center', 'pil', 'opencv', 'coverage'], { description: 'default pixel-center' }),
          ),
          holes: Type.Optional(oneOf(['standard', 'xor', 'union'])),
          origin: Type.Optional(oneOf(['integer', 'half'], { description: 'default integer' })),
        },
        closed,
      ),
    ),
    shape: Type.Optional(
      Type.Object(
        {
          fit: Type.Optional(oneOf(['exact', 'pad', 'crop', 'resize'], { description: 'default exact' })),
          rows: Type.Optional(Type.Integer({ minimum: 1, maximum: 16_384 })),
          columns: Type.Optional(Type.Integer({ minimum: 1, maximum: 16_384 })),
          fill: Type.Optional(Type.Number()),
        },
        closed,
      ),
    ),
    onError: Type.Optional(oneOf(['fail', 'mask'], { description: 'default fail' })),
  },
  closed,
);
export type SpecRequest = Static<typeof SpecRequest>;

/** A session's spec with every default filled in. */
export interface Spec {
  readonly studies: 'all' | readonly string[];
  readonly excludeStudies: readonly string[];
  readonly where: object;
  readonly split: null;
  readonly snapshot: null;
  readonly structures: readonly string[];
  readonly missing: 'exclude';
  readonly rename: object;
  readonly exclude: readonly string[];
  readonly batchSize: number;
  readonly worldSize: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly epochs: number | null;
  readonly lastBatch: 'keep' | 'drop' | 'pad';
  readonly prefetch: number;
  readonly image: {
    readonly values: 'stored' | 'rescaled';
    readonly dtype: ImageDType;
    readonly normalize: 'none';
    readonly channels: 1 | 3;
  };
  readonly mask: {
    readonly rule: 'pixel-center' | 'pil';
    readonly holes: 'standard';
    readonly origin: 'integer' | 'half';
  };
  readonly shape: {
    readonly fit: 'exact';
    readonly rows: number;
    readonly columns: number;
    readonly fill: 0;
  };
  readonly onError: 'fail';
}

/** Values of the contract that this release does not build yet: each is refused by name, never ignored. */
const NOT_BUILT: readonly (readonly [field: string, isAsked: (request: SpecRequest) => boolean])[] = [
  ['where', ({ where }) => Object.keys(where ?? {}).length > 0],
  ['split', ({ split }) => split !== undefined],
  ['snapshot', ({ snapshot }) => snapshot !== undefined],
  ['missing', ({ missing = 'exclude' }) => missing !== 'exclude'],
  ['rename', ({ rename }) => Object.keys(rename ?? {}).length > 0],
  ['exclude', ({ exclude }) => (exclude ?? []).length > 0],
  ['image.values', ({ image }) => image?.values === 'windowed'],
  ['image.normalize', ({ image }) => (image?.normalize ?? 'none') !== 'none'],
  ['mask.rule', ({ mask }) => mask?.rule === 'opencv' || mask?.rule === 'coverage'],
  ['mask.holes', ({ mask }) => (mask?.holes ?? 'standard') !== 'standard'],
  ['shape.fit', ({ shape }) => (shape?.fit ?? 'exact') !== 'exact'],
  ['shape.fill', ({ shape }) => (shape?.fill ?? 0) !== 0],
  ['onError', ({ onError }) => onError === 'mask'],
];

/** Throws `SLF_NOT_BUILT` naming the first field that this release does not build. */
export function refuseUnbuilt(request: SpecRequest): void {
  for (const [field, isAsked] of NOT_BUILT)
    if (isAsked(request))
      throw new SlfError('SLF_NOT_BUILT', `${field} does not take this value yet; leave it out`, { field });
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
