import { createHash } from 'node:crypto';
import { recordsAt, sliceAt } from '../catalog/slices.js';
import { presentRevision, revisionName } from '../catalog/studies.js';
import { pairId, type StudyId } from '../core/ids.js';
import { batchLayout } from '../core/layout.js';
import type { Holes } from '../core/part.js';
import { channelsOf } from '../core/pixels.js';
import { type MaskRule, maskDtype } from '../core/rasterize.js';
import type { Values } from '../core/values.js';
import { SlfError } from '../errors.js';
import type { Recipe } from '../loader/messages.js';
import { Batch, type BatchContext } from './batch.js';
import type { OutsideSources } from './outside-sources.js';

/** How pairs outside a session are made into tensors. */
export interface OutsideForm {
  readonly structures: readonly string[];
  readonly sources: OutsideSources;
  readonly rule: MaskRule;
  readonly holes: Holes;
  readonly values: Values;
  readonly dtype: Recipe['dtype'];
}

/** Slices of one state of a study, by their places in it; all of one shape. */
export interface OutsidePlaces {
  readonly study: string;
  readonly revision: number;
  readonly ordinals: readonly number[];
}

/**
 * A batch of pairs that no session asked for, which no snapshot keeps: where a scan finds the study to be another before it is loaded,
 * loading it fails with `SLF_SOURCE_CHANGED`, because its contours may be gone.
 */
export function batchOutside(context: BatchContext, places: OutsidePlaces, form: OutsideForm): Batch {
  const { db } = context;
  const { study, revision, ordinals } = places;
  const { structures, sources, rule, holes, values, dtype } = form;
  const { header } = sliceAt(db, revision, ordinals[0]!);
  const layout = batchLayout({
    slots: ordinals.length,
    channels: channelsOf(header, values),
    rows: header.rows,
    columns: header.columns,
    structures: structures.length,
    imageDtype: dtype,
    maskDtype: maskDtype(rule),
  });
  const told = sources.told(structures);
  const key = JSON.stringify([
    revisionName(db, revision),
    ordinals,
    structures,
    rule,
    holes,
    values,
    dtype,
    [...sources.dropped],
    told,
  ]);
  const batch = new Batch(
    context,
    {
      isReserved: false,
      address: { snapshot: '', specDigest: '', step: null, epoch: null, rank: null },
      layout,
      segmentBytes: layout.sizeBytes,
      recipe: { values, dtype, normalize: 'none', fit: 'exact', fill: 0, rule },
      structures,
      tell: told.length > 0 ? () => told : null,
      sourcesOf: context.slotSources.outlinedBy(
        { names: structures.map((structure) => [structure]), holes, originShift: 0 },
        () => sources.dropped,
      ),
      turn: 'pairs',
      masks: null,
      pairs: () => {
        refuseChanged(context, places);
        const records = recordsAt(
          db,
          ordinals.map((ordinal) => ({ revision, ordinal })),
        );
        return records.map((slice) => ({
          place: slice.ordinal,
          id: pairId(study as StudyId, slice.slice),
          slice,
        }));
      },
    },
    `outside/${createHash('sha256').update(key).digest('base64url')}`,
  );
  // Its contours are looked up now, while the study is surely the one that was asked about.
  batch.prepare();
  return batch;
}

/** Throws `SLF_SOURCE_CHANGED` where a scan has found the study to be another. */
export function refuseChanged(
  { db }: Pick<BatchContext, 'db'>,
  { study, revision }: Pick<OutsidePlaces, 'study' | 'revision'>,
): void {
  if (presentRevision(db, study) !== revision)
    throw new SlfError('SLF_SOURCE_CHANGED', 'a scan found the study to be another meanwhile: ask again');
}
