import { type Static, Type } from 'typebox';
import { FINDING_CODES } from '../core/finding-codes.js';
import { orNull } from '../nullable.js';

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
        {
          modality: Type.Optional(Names('modalities, as `GET /v1/studies/{study}` counts them')),
          series: Type.Optional(Names('SeriesInstanceUIDs, as `GET /v1/studies/{study}` lists them')),
        },
        closed,
      ),
    ),
    split: Type.Optional(
      orNull(
        Type.Object(
          {
            of: Type.Integer({ minimum: 2, maximum: 1000, description: 'folds' }),
            parts: Type.Array(Type.Integer({ minimum: 0, maximum: 999 }), {
              minItems: 1,
              description: 'the folds to take, counted from 0; a patient is in one fold with all studies',
            }),
            seed: Type.Optional(
              Type.Integer({
                minimum: 0,
                maximum: Number.MAX_SAFE_INTEGER,
                description: 'another seed, other folds; default 0',
              }),
            ),
          },
          closed,
        ),
      ),
    ),
    snapshot: Type.Optional(
      orNull(Type.String({ pattern: '^[0-9a-f]{64}$', description: 'reopen exactly this list of pairs' })),
    ),
    structures: Type.Optional(
      Names(
        'structures; a slice is a pair when it has all of them; default: the one that most slices carry, of equal counts the first by name, over all that the request names, before its split; `[]`: every slice, images only',
      ),
    ),
    missing: Type.Optional(
      oneOf(['exclude', 'empty'], {
        description: 'empty: a slice with some of the structures stays; default exclude',
      }),
    ),
    rename: Type.Optional(
      Type.Record(Type.String(), Names('names'), {
        description: 'for a structure, other names that mean it',
      }),
    ),
    exclude: Type.Optional(
      Type.Array(oneOf(FINDING_CODES), {
        description: 'codes of the quality report: pairs that have one now are left out, for good',
        maxItems: 100,
      }),
    ),
    sources: Type.Optional(
      Type.Object(
        {
          file: Type.Optional(
            Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
              description:
                'where several sources of a study have a structure: use the one in these files, as the study names them (`docs/contours.md`)',
              maxItems: 10_000,
            }),
          ),
          series: Type.Optional(
            Names('use the one in these series (SeriesInstanceUIDs of structure sets and segmentations)'),
          ),
          kind: Type.Optional(
            Type.Array(oneOf(['text', 'rtstruct', 'seg']), {
              description: 'use the one of these kinds',
              maxItems: 3,
            }),
          ),
          latest: Type.Optional(
            Type.Boolean({ description: 'true: of those that match, use the one that was made last' }),
          ),
          join: Type.Optional(Type.Boolean({ description: 'true: use all of them and join their masks' })),
        },
        {
          ...closed,
          description:
            'chooses one source where several sources of a study outline a structure on images of one series: the one that matches all fields; without it such a session is refused',
        },
      ),
    ),
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
          normalize: Type.Optional(
            oneOf(['none', 'minmax', 'zscore'], {
              description: 'per slice, without its padding; default none',
            }),
          ),
          channels: Type.Optional(
            Type.Unsafe<1 | 3>({ type: 'integer', enum: [1, 3], description: 'default: as the files' }),
          ),
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
          holes: Type.Optional(
            oneOf(['standard', 'xor', 'union'], {
              description: 'several contours of an RTSTRUCT ROI on a slice; default standard',
            }),
          ),
          origin: Type.Optional(oneOf(['integer', 'half'], { description: 'default integer' })),
        },
        closed,
      ),
    ),
    shape: Type.Optional(
      Type.Object(
        {
          fit: Type.Optional(
            oneOf(['exact', 'pad', 'crop', 'resize'], {
              description:
                'exact: all pairs have one shape (any with batchSize 1); pad: puts a border around smaller images; crop: cuts larger images, and their masks, at the border of the shape, and pads smaller ones; both around the centre; resize: scales image and masks; default exact',
            }),
          ),
          rows: Type.Optional(
            orNull(Type.Integer({ minimum: 1, maximum: 16_384, description: 'default: the largest' })),
          ),
          columns: Type.Optional(
            orNull(Type.Integer({ minimum: 1, maximum: 16_384, description: 'default: the largest' })),
          ),
          fill: Type.Optional(Type.Number({ description: 'the value of padding; default 0' })),
        },
        closed,
      ),
    ),
    onError: Type.Optional(oneOf(['fail', 'mask'], { description: 'default fail' })),
  },
  { ...closed, title: 'SessionRequest', examples: [{ batchSize: 4, epochs: 1, shape: { fit: 'pad' } }] },
);
export type SpecRequest = Static<typeof SpecRequest>;
