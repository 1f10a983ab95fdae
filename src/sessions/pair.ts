import { carriersOf } from '../catalog/revision-contests.js';
import { findSlice, type Slice } from '../catalog/slices.js';
import { findStudy } from '../catalog/studies.js';
import { askedNames } from '../core/asked-names.js';
import type { StudyId } from '../core/ids.js';
import type { Holes } from '../core/part.js';
import { pictureRange, pictureValues } from '../core/picture-range.js';
import { autoDtype, declaredRange } from '../core/pixels.js';
import type { MaskRule } from '../core/rasterize.js';
import type { Values } from '../core/values.js';
import type { Engine } from '../engine/engine.js';
import { SlfError } from '../errors.js';
import { untilAborted } from '../until-aborted.js';
import type { BatchContext } from './batch.js';
import { checkBatchBytes } from './batch-limit.js';
import { batchOutside } from './outside.js';
import { sourcesOutside } from './outside-sources.js';
import { checkPicture } from './picture.js';
import { refuseLoad } from './refusal.js';
import type { Delivery } from './session.js';

/** How one pair is asked for outside a session. */
export interface PairRequest {
  readonly study: string;
  readonly slice: string;
  /** A list for `askedNames`; null: those that the slice carries. */
  readonly structures: string | null;
  /** The file of the source to use where several have a structure; null: the first source. */
  readonly source: string | null;
  readonly rule: MaskRule;
  readonly holes: Holes;
  /** Null: the kind of values that a picture is drawn from. */
  readonly values: Values | null;
}

export interface PairContext extends BatchContext {
  readonly engine: Engine;
  /** The most bytes of a batch. */
  readonly batchBytesLimit: number;
}

/** A loaded pair. */
type PairDelivery = Delivery & { readonly slice: Slice; readonly structures: readonly string[] };

/** Loads one pair as a batch of size 1. Throws `SlfError`, or the signal's reason. */
export async function fetchPair(
  context: PairContext,
  request: PairRequest,
  signal: AbortSignal,
): Promise<PairDelivery> {
  const { db, engine, batchBytesLimit } = context;
  const { study, slice: sliceId, rule, holes } = request;
  if (!findStudy(db, study)) throw new SlfError('SLF_STUDY_UNKNOWN', 'GET /v1/studies lists them');
  const slice = findSlice(db, study, sliceId);
  if (!slice) throw new SlfError('SLF_PAIR_UNKNOWN', `GET /v1/studies/${study}/pairs?all=1 lists them`);
  const state = { study: study as StudyId, revision: slice.revision };
  const sources = sourcesOutside(db, state, request.source);
  const carries = carriersOf(db, slice.revision, sources.dropped);
  const carried = slice.structures.filter((structure) => carries(slice.ordinal, structure));
  const structures = request.structures === null ? carried : askedNames(request.structures, slice.structures);
  const missing = structures.find((name) => !carried.includes(name));
  if (missing !== undefined && slice.unusable.includes(missing))
    throw new SlfError(
      'SLF_NO_PAIRS',
      `"${missing}" is drawn on the slice and cannot be used there in full; GET /v1/studies/${study} says why`,
      { field: 'structures' },
    );
  if (missing !== undefined)
    throw new SlfError(
      'SLF_NO_PAIRS',
      slice.structures.includes(missing)
        ? `"${missing}" is in several sources of the study, and the one in use does not have it on this slice: choose another with source`
        : `the slice carries ${carried.join(', ') || 'no structure'}, not "${missing}"`,
      {
        field: 'structures',
      },
    );
  const { header } = slice;
  const values = request.values ?? pictureValues(header);
  const dtype = values === 'windowed' ? 'float32' : autoDtype([declaredRange(header, values)]);
  const batch = batchOutside(
    context,
    { study, revision: slice.revision, ordinals: [slice.ordinal] },
    { structures, sources, rule, holes, values, dtype },
  );
  checkBatchBytes(batch.layout.sizeBytes, 1, batchBytesLimit, 'masks');
  const askedAt = performance.now();
  const loading = engine.load(batch.order, 'aside');
  try {
    const lease = await untilAborted(loading.lease, signal);
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

/** Draws the overlay of one pair and returns a PNG file. Throws `SlfError`, or the signal's reason. */
export async function drawPair(
  context: PairContext,
  request: Omit<PairRequest, 'values'>,
  { scale, caption }: { readonly scale: number; readonly caption: boolean },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { study, slice: sliceId } = request;
  const found = findSlice(context.db, study, sliceId);
  if (found) checkPicture(found.header, scale);
  const pair = await fetchPair(context, { ...request, values: null }, signal);
  try {
    const { structures, slice, lease } = pair;
    const { header } = slice;
    const ranges = [pictureRange(header, pictureValues(header))];
    return await lease.draw(
      { structures, titles: [`${study}/${sliceId}`], title: '', scale, caption, ranges },
      signal,
    );
  } catch (error) {
    throw refuseLoad(error);
  } finally {
    pair.end();
  }
}
