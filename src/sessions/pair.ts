import { findSlice, type Slice } from '../catalog/slices.js';
import { findStudy } from '../catalog/studies.js';
import { askedNames } from '../core/asked-names.js';
import type { Holes } from '../core/part.js';
import { autoDtype, declaredRange } from '../core/pixels.js';
import type { MaskRule } from '../core/rasterize.js';
import type { Values } from '../core/values.js';
import type { Engine } from '../engine/engine.js';
import { SlfError } from '../errors.js';
import type { BatchContext } from './batch.js';
import { batchOutside } from './outside.js';
import { refuseLoad } from './refusal.js';
import type { Delivery } from './session.js';

/** How one pair is asked for outside a session. */
export interface PairRequest {
  readonly study: string;
  readonly slice: string;
  /** A list for `askedNames`; null: those that the slice carries. */
  readonly structures: string | null;
  readonly rule: MaskRule;
  readonly holes: Holes;
  readonly values: Values;
}

/** Loads one pair as a batch of size 1. Throws `SlfError`. */
export async function fetchPair(
  context: BatchContext & { readonly engine: Engine },
  request: PairRequest,
): Promise<Delivery & { readonly slice: Slice; readonly structures: readonly string[] }> {
  const { db, engine } = context;
  const { study, slice: sliceId, rule, holes, values } = request;
  if (!findStudy(db, study)) throw new SlfError('SLF_STUDY_UNKNOWN', 'GET /v1/studies lists them');
  const slice = findSlice(db, study, sliceId);
  if (!slice) throw new SlfError('SLF_PAIR_UNKNOWN', `GET /v1/studies/${study}/pairs?all=1 lists them`);
  const structures =
    request.structures === null ? slice.structures : askedNames(request.structures, slice.structures);
  const missing = structures.find((name) => !slice.structures.includes(name));
  if (missing !== undefined)
    throw new SlfError(
      'SLF_NO_PAIRS',
      `the slice carries ${slice.structures.join(', ') || 'no structure'}, not "${missing}"`,
      {
        field: 'structures',
      },
    );
  const { header } = slice;
  const dtype = values === 'windowed' ? 'float32' : autoDtype([declaredRange(header, values)]);
  const batch = batchOutside(
    context,
    { study, revision: slice.revision, ordinals: [slice.ordinal] },
    { structures, rule, holes, values, dtype },
  );
  const askedAt = performance.now();
  const loading = engine.load(batch.order, 'asked');
  try {
    const lease = await loading.lease;
    batch.accept(lease);
    const waitMs = performance.now() - askedAt;
    const [outcome] = lease.outcomes;
    const checksum = slice.checksum ?? (outcome?.kind === 'loaded' ? outcome.checksum : null);
    // The revision's name covers no pixels; outside a snapshot only their checksum tells them from others.
    const etag = (form: string) => batch.etag(`${form} ${checksum}`);
    return { batch, lease, warm: 'miss', waitMs, etag, end: () => lease.release(), slice, structures };
  } catch (error) {
    loading.abandon();
    throw refuseLoad(error);
  }
}
