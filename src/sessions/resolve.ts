import type { Flagged } from '../catalog/selection.js';
import type { Snapshot } from '../catalog/snapshot.js';
import { largestOf } from '../core/long-lists.js';
import { autoDtype, holdsValue, type ImageDType } from '../core/pixels.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import { chooseSnapshot } from './choose.js';
import { splitOf } from './folds.js';
import type { SpecRequest } from './request.js';
import type { Spec } from './spec.js';

/** A request with every default worked out, and the pairs it stands on. */
export interface Resolved {
  readonly spec: Spec;
  readonly snapshot: Snapshot;
}

/** Works a request out against the catalogue. Throws `SlfError` where no session can come of it. */
export function resolveSpec(db: Database, request: SpecRequest, flagged: Flagged | null = null): Resolved {
  const batchSize = request.batchSize ?? 8;
  const worldSize = request.worldSize ?? 1;
  if (batchSize % worldSize !== 0)
    throw new SlfError(
      'SLF_SPEC_CONFLICT',
      `batchSize ${batchSize} is no multiple of worldSize ${worldSize}`,
      {
        field: 'batchSize',
      },
    );
  const split = splitOf(request);
  const snapshot = chooseSnapshot(db, request, flagged);
  const { structures, missing, rename, where } = snapshot.selection;
  const values = request.image?.values ?? 'rescaled';
  const normalize = request.image?.normalize ?? 'none';
  const channels = chooseChannels(snapshot, request.image?.channels);
  const shape = chooseShape(snapshot, request, batchSize);
  const spec: Spec = {
    studies: request.studies === undefined || request.studies === 'all' ? 'all' : [...request.studies].sort(),
    excludeStudies: [...(request.excludeStudies ?? [])].sort(),
    where,
    split,
    snapshot: request.snapshot ?? null,
    structures,
    missing,
    rename,
    exclude: snapshot.selection.leftOut?.codes ?? [],
    ...(snapshot.selection.sources?.choice ? { sources: snapshot.selection.sources.choice } : {}),
    batchSize,
    worldSize,
    shuffle: request.shuffle ?? true,
    seed: request.seed ?? 0,
    epochs: request.epochs ?? null,
    lastBatch: request.lastBatch ?? (worldSize > 1 ? 'pad' : 'keep'),
    prefetch: request.prefetch ?? 1,
    image: {
      values,
      dtype: chooseDtype(snapshot, request, channels, shape),
      normalize,
      channels,
    },
    mask: {
      rule: request.mask?.rule ?? 'pixel-center',
      holes: request.mask?.holes ?? 'standard',
      origin: request.mask?.origin ?? 'integer',
    },
    shape,
    onError: request.onError ?? 'fail',
  };
  if (spec.lastBatch === 'drop' && snapshot.pairs < batchSize)
    throw new SlfError(
      'SLF_NO_PAIRS',
      `lastBatch drop leaves nothing: there are ${snapshot.pairs} pairs and a batch takes ${batchSize}`,
      { field: 'lastBatch' },
    );
  return { spec, snapshot };
}

/** Asked for, or told by what the headers declare; a dtype that can't hold fractions or the fill is refused. */
function chooseDtype(
  { summary }: Snapshot,
  { image = {} }: SpecRequest,
  channels: 1 | 3,
  shape: Spec['shape'],
): ImageDType {
  const { values = 'rescaled', normalize = 'none', dtype = 'auto' } = image;
  const fractions = values === 'windowed' || normalize !== 'none';
  const isFloat = dtype === 'float16' || dtype === 'float32';
  if (fractions && !isFloat && dtype !== 'auto')
    throw new SlfError(
      'SLF_SPEC_CONFLICT',
      `image.dtype ${dtype} holds no fractions, which windowed and normalized values are: choose float32 or float16`,
      { field: 'image.dtype' },
    );
  const range = values === 'stored' ? summary.stored : summary.rescaled;
  const mixes = shape.fit === 'resize' || (channels === 1 && summary.channels.includes(3));
  const fill = { min: shape.fill, max: shape.fill, whole: Number.isInteger(shape.fill) };
  if (dtype === 'auto') return fractions || mixes || !range ? 'float32' : autoDtype([range, fill]);
  if (!holdsValue(dtype, shape.fill))
    throw new SlfError(
      'SLF_VALUE_RANGE',
      `shape.fill ${shape.fill} does not fit ${dtype}: choose another fill, or a wider image.dtype`,
      {
        field: 'shape.fill',
      },
    );
  return dtype;
}

function chooseChannels({ summary }: Snapshot, asked: 1 | 3 | undefined): 1 | 3 {
  const [only, other] = summary.channels;
  if (asked === undefined && other !== undefined)
    throw new SlfError(
      'SLF_CHANNELS_DIFFER',
      'some pairs are monochrome and some colour: say image.channels 1 or 3',
      {
        field: 'image.channels',
      },
    );
  return asked ?? only ?? 1;
}

function chooseShape(
  { summary }: Snapshot,
  { shape: asked = {} }: SpecRequest,
  batchSize: number,
): Spec['shape'] {
  const { shapes } = summary;
  const { fit = 'exact', fill = 0 } = asked;
  const largest = {
    rows: largestOf(shapes.map(({ rows }) => rows)),
    columns: largestOf(shapes.map(({ columns }) => columns)),
  };
  const rows = asked.rows ?? largest.rows;
  const columns = asked.columns ?? largest.columns;
  const listed = () => {
    const some = shapes.slice(0, 5).map(({ rows: r, columns: c, slice }) => `${r} × ${c} (${slice})`);
    return some.join(', ') + (shapes.length > some.length ? ` and ${shapes.length - some.length} more` : '');
  };
  const conflict = (detail: string, field = 'shape.fit') =>
    new SlfError('SLF_SHAPES_DIFFER', detail, { field });
  if (fit === 'exact') {
    if (shapes.length > 1 && batchSize > 1)
      throw conflict(
        `the pairs have several shapes: ${listed()}; choose shape.fit pad, crop or resize, or batchSize 1`,
      );
    if (rows !== largest.rows || columns !== largest.columns)
      throw conflict(
        `shape.fit exact keeps the shape of the pairs, ${listed()}: for another choose shape.fit pad, crop or resize`,
        'shape',
      );
    return shapes.length > 1 ? { fit, rows: null, columns: null, fill } : { fit, rows, columns, fill };
  }
  if (fit === 'pad' && (rows < largest.rows || columns < largest.columns))
    throw conflict(
      `pad makes no image smaller than ${largest.rows} × ${largest.columns}: choose crop or resize`,
      'shape',
    );
  return { fit, rows, columns, fill };
}
