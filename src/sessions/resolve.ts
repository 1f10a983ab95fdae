import { presentSnapshot, type Snapshot } from '../catalog/snapshot.js';
import { structureCounts, studyIds } from '../catalog/studies.js';
import type { StudyId } from '../core/ids.js';
import { autoDtype, type ImageDType } from '../core/pixels.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import { refuseUnbuilt, type Spec, type SpecRequest } from './spec.js';

/** A request with every default worked out, and the pairs it stands on. */
export interface Resolved {
  readonly spec: Spec;
  readonly snapshot: Snapshot;
}

/** Works a request out against the present catalogue. Throws `SlfError` where no session can come of it. */
export function resolveSpec(db: Database, request: SpecRequest): Resolved {
  refuseUnbuilt(request);
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
  const structures = request.structures ?? defaultStructures(db);
  if (new Set(structures).size < structures.length)
    throw new SlfError('SLF_SPEC_CONFLICT', 'structures names one twice', { field: 'structures' });
  const snapshot = presentSnapshot(db, chooseStudies(db, request), { structures });
  if (snapshot.pairs === 0) throw noPairs(db, structures);
  const { values = 'rescaled', dtype = 'auto' } = request.image ?? {};
  const spec: Spec = {
    studies: request.studies === undefined || request.studies === 'all' ? 'all' : [...request.studies].sort(),
    excludeStudies: [...(request.excludeStudies ?? [])].sort(),
    where: {},
    split: null,
    snapshot: null,
    structures,
    missing: 'exclude',
    rename: {},
    exclude: [],
    batchSize,
    worldSize,
    shuffle: request.shuffle ?? true,
    seed: request.seed ?? 0,
    epochs: request.epochs ?? null,
    lastBatch: request.lastBatch ?? (worldSize > 1 ? 'pad' : 'keep'),
    prefetch: request.prefetch ?? 1,
    image: {
      values: values as 'stored' | 'rescaled',
      dtype: dtype === 'auto' ? chooseDtype(snapshot, values as 'stored' | 'rescaled') : dtype,
      normalize: 'none',
      channels: chooseChannels(snapshot, request.image?.channels),
    },
    mask: {
      rule: (request.mask?.rule ?? 'pixel-center') as 'pixel-center' | 'pil',
      holes: 'standard',
      origin: request.mask?.origin ?? 'integer',
    },
    shape: { fit: 'exact', ...chooseShape(snapshot, request), fill: 0 },
    onError: 'fail',
  };
  if (spec.lastBatch === 'drop' && snapshot.pairs < batchSize)
    throw new SlfError(
      'SLF_NO_PAIRS',
      `lastBatch drop leaves nothing: there are ${snapshot.pairs} pairs and a batch takes ${batchSize}`,
      { field: 'lastBatch' },
    );
  return { spec, snapshot };
}

function chooseStudies(db: Database, request: SpecRequest): StudyId[] {
  const present = studyIds(db);
  const known = new Set<string>(present);
  const check = (field: string, ids: readonly string[]) => {
    const missing = ids.find((id) => !known.has(id));
    if (missing !== undefined)
      throw new SlfError(
        'SLF_STUDY_MISSING',
        `${field} names a study that is not in the catalogue; GET /v1/studies lists them`,
        {
          field,
        },
      );
  };
  const wanted = request.studies ?? 'all';
  if (wanted !== 'all') check('studies', wanted);
  check('excludeStudies', request.excludeStudies ?? []);
  const asked = wanted === 'all' ? known : new Set<string>(wanted);
  const excluded = new Set<string>(request.excludeStudies ?? []);
  return present.filter((id) => asked.has(id) && !excluded.has(id));
}

/** The one structure that most slices carry; equal counts: the first by name. Without any contour: none. */
function defaultStructures(db: Database): string[] {
  const counts = [...structureCounts(db)].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return counts.slice(0, 1).map(([name]) => name);
}

function noPairs(db: Database, structures: readonly string[]): SlfError {
  const known = [...structureCounts(db).keys()].sort();
  const missing = structures.find((name) => !known.includes(name));
  const detail =
    missing === undefined
      ? 'no slice of the chosen studies has all of the structures; GET /v1/studies counts them'
      : `no slice carries the structure "${missing}"; there are: ${known.join(', ') || 'none (see the problems of GET /v1/studies)'}`;
  return new SlfError('SLF_NO_PAIRS', detail, { field: 'structures' });
}

function chooseDtype({ summary }: Snapshot, values: 'stored' | 'rescaled'): ImageDType {
  const range = values === 'stored' ? summary.stored : summary.rescaled;
  return autoDtype(range ? [range] : []);
}

function chooseChannels({ summary }: Snapshot, asked: 1 | 3 | undefined): 1 | 3 {
  const [only, other] = summary.channels;
  if (other !== undefined)
    throw new SlfError(
      'SLF_CHANNELS_DIFFER',
      'some pairs are monochrome and some colour: choose studies of one kind',
      {
        field: 'image.channels',
      },
    );
  if (asked !== undefined && asked !== only)
    throw new SlfError(
      'SLF_NOT_BUILT',
      `image.channels cannot turn ${only} into ${asked} yet; leave it out`,
      {
        field: 'image.channels',
      },
    );
  return only ?? 1;
}

function chooseShape({ summary }: Snapshot, request: SpecRequest): { rows: number; columns: number } {
  const [first, second] = summary.shapes;
  if (second) {
    const some = summary.shapes
      .slice(0, 5)
      .map(({ rows, columns, slice }) => `${rows} × ${columns} (${slice})`);
    throw new SlfError(
      'SLF_SHAPES_DIFFER',
      `the pairs have ${summary.shapes.length} shapes: ${some.join(', ')}; choose studies of one shape`,
      { field: 'shape.fit' },
    );
  }
  const { rows, columns } = first!;
  const { rows: askedRows = rows, columns: askedColumns = columns } = request.shape ?? {};
  if (askedRows !== rows || askedColumns !== columns)
    throw new SlfError(
      'SLF_SHAPES_DIFFER',
      `with fit exact the shape is that of the pairs, ${rows} × ${columns}`,
      {
        field: 'shape',
      },
    );
  return { rows, columns };
}
