import type { UploadedStudy } from '../catalog/upload-content.js';
import { askedNames } from '../core/asked-names.js';
import { BYTES_VERSION } from '../core/bytes-version.js';
import { type Contest, findContests, isUsed, withoutDropped } from '../core/contests.js';
import { type PairId, pairId } from '../core/ids.js';
import { type BatchLayout, batchLayout } from '../core/layout.js';
import type { Holes } from '../core/part.js';
import { autoDtype, channelsOf, declaredRange } from '../core/pixels.js';
import type { ProblemCode } from '../core/problem.js';
import { type MaskRule, maskDtype } from '../core/rasterize.js';
import type { Values } from '../core/values.js';
import type { BatchOrder, Lease } from '../engine/engine.js';
import { SlfError } from '../errors.js';
import type { LoadUnit } from '../loader/messages.js';
import { sealSource } from '../loader/sealed.js';
import type { BatchMetadata, BatchProblem } from '../wire/body.js';
import { type CarryingPair, missingStructures } from './missing-structures.js';
import { checkSource, useSource } from './outside-sources.js';
import { findingOf, refuseFinding } from './refusal.js';

/** How the pairs of an upload are asked for. */
export interface UploadRequest {
  /** A list for `askedNames`; null: every structure that occurs, in order of their names. */
  readonly structures: string | null;
  /** The file of the source to use where several have a structure; null: the first source. */
  readonly source: string | null;
  /** `empty`: a slice with some of the structures is a pair as well. */
  readonly missing: 'exclude' | 'empty';
  readonly rule: MaskRule;
  readonly holes: Holes;
  readonly values: Values;
  readonly batchSize: number;
}

/** A slice of an upload that is asked for. */
interface UploadPair {
  readonly id: PairId;
  readonly slice: UploadedStudy['slices'][number];
}

/** A batch of an upload's pairs. */
export interface UploadBatch {
  readonly order: BatchOrder;
  readonly layout: BatchLayout;
  readonly pairs: readonly UploadPair[];
  readonly metadata: BatchMetadata;
}

/** The pairs of an upload in order. */
export interface ChosenPairs {
  readonly pairs: readonly UploadPair[];
  /** The structures of their masks. */
  readonly structures: readonly string[];
  /** A problem for each slice that is left out because a structure on it cannot be used in full. */
  readonly problems: readonly BatchProblem[];
}

/** Chooses the pairs of an upload. Throws `SlfError` if there is none. */
export function choosePairs(
  studies: readonly UploadedStudy[],
  problems: readonly BatchProblem[],
  request: UploadRequest,
): ChosenPairs {
  checkSource(
    studies.flatMap(({ sources }) => sources),
    request.source,
  );
  const all = studies.flatMap((study) => {
    const { dropped } = useSource(contestsIn(study), study.sources, request.source);
    return study.slices.map((slice) => ({
      id: pairId(study.id, slice.slice),
      slice: {
        ...slice,
        contours: withoutDropped(slice.contours, dropped),
        unusable: slice.unusable.filter((structure) => isUsed(structure, slice.lost ?? [], dropped)),
      },
      isUnread: study.isUnread,
    }));
  });
  const found = new Set(all.flatMap(({ slice }) => slice.contours.map(({ structure }) => structure)));
  const carried = [...found].sort();
  const structures = request.structures === null ? carried : askedNames(request.structures, carried);
  const pairs: UploadPair[] = [];
  const leftOut: BatchProblem[] = [];
  for (const { id, slice, isUnread } of structures.length === 0 ? [] : all) {
    const held = new Set(slice.contours.map(({ structure }) => structure));
    const isDrawn = (name: string) => held.has(name) || slice.unusable.includes(name);
    const isAsked = request.missing === 'empty' ? structures.some(isDrawn) : structures.every(isDrawn);
    if (!isAsked) continue;
    const lost = structures.filter((name) => slice.unusable.includes(name) || (isUnread && !held.has(name)));
    if (lost.length === 0) pairs.push({ id, slice });
    else
      leftOut.push({
        code: 'STRUCTURE_UNUSABLE',
        pair: id,
        file: slice.path,
        detail: `what is drawn on it of ${lost.join(', ')} cannot be used in full; it is left out`,
      });
  }
  if (pairs.length === 0) throw noPairs(all.length, carried, problems, leftOut);
  return { pairs, structures, problems: leftOut };
}

function contestsIn({ slices }: UploadedStudy): readonly Contest[] {
  return findContests(slices.map(({ header, contours }) => ({ series: header.seriesUid, parts: contours })));
}

const IMAGE_REMARKS: ReadonlySet<string> = new Set<ProblemCode>([
  'SCALING_NOT_USED',
  'SLICE_ORDER',
  'RESCALE_INVALID',
  'SPACING_INVALID',
  'SPACING_AT_DETECTOR',
  'POSITION_INVALID',
  'MOSAIC',
  'HEADER_REPAIRED',
  'IDENTIFIER_LONG',
  'MODALITY_LUT',
  'PIXELS_LONG',
  'PIXELS_PACKING',
  'PIXELS_DAMAGED',
  'TRANSFER_SYNTAX_ODD',
]);

function noPairs(
  images: number,
  carried: readonly string[],
  problems: readonly BatchProblem[],
  leftOut: readonly BatchProblem[],
): SlfError {
  // A remark on an image that was read is no reason for a missing contour on it.
  const first = problems.find(({ code }) => images === 0 || !IMAGE_REMARKS.has(code));
  const [left] = leftOut;
  const why =
    carried.length > 0
      ? left
        ? `${left.pair}: ${left.detail}`
        : `no slice carries what is asked for; there are ${carried.join(', ')}`
      : first
        ? `${first.code}: ${first.detail}`
        : images === 0
          ? 'the upload has no image that can be read'
          : 'the upload has no contour: send the contours with the images';
  return new SlfError(
    'SLF_NO_PAIRS',
    why,
    carried.length > 0 ? { field: 'structures' } : first?.file ? { file: first.file } : {},
  );
}

/** Cuts pairs into batches, all of one dtype; one ends early before a pair of another shape. `name` tells them from those of other uploads. Every problem goes with the first. */
export function uploadBatches(
  { pairs, structures, problems: leftOut }: ChosenPairs,
  problems: readonly BatchProblem[],
  { rule, holes, values, batchSize }: UploadRequest,
  { folder, name, numberOf }: { folder: string; name: string; numberOf: (file: string) => number },
): UploadBatch[] {
  const imageDtype =
    values === 'windowed'
      ? 'float32'
      : autoDtype(pairs.map(({ slice }) => declaredRange(slice.header, values)));
  const batches: UploadBatch[] = [];
  for (let from = 0; from < pairs.length; from += batches[batches.length - 1]!.pairs.length) {
    const { header } = pairs[from]!.slice;
    const following = pairs.slice(from, from + batchSize);
    const other = following.findIndex(({ slice }) => shapeOf(slice, values) !== shapeOf({ header }, values));
    const share = other < 0 ? following : following.slice(0, other);
    const layout = batchLayout({
      slots: share.length,
      channels: channelsOf(header, values),
      rows: header.rows,
      columns: header.columns,
      structures: structures.length,
      imageDtype,
      maskDtype: maskDtype(rule),
    });
    batches.push({
      layout,
      pairs: share,
      order: {
        key: `upload/${name}/${from}`,
        turn: name,
        label: { upload: name, batch: batches.length },
        layout,
        segmentBytes: layout.sizeBytes,
        isReserved: false,
        recipe: { values, dtype: imageDtype, normalize: 'none', fit: 'exact', fill: 0, rule },
        units: () =>
          share.map((pair, slot) => unitOf(pair, slot, from + slot, { structures, holes }, folder, numberOf)),
      },
      metadata: {
        snapshot: '',
        specDigest: '',
        bytesVersion: BYTES_VERSION,
        step: null,
        epoch: null,
        rank: null,
        pairIds: share.map(({ id }) => id),
        structures,
        rule,
        problems: [
          ...(from === 0 ? [...problems, ...leftOut] : []),
          ...missingStructures(share.map(carrying), structures),
        ],
      },
    });
  }
  return batches;
}

function carrying({ id, slice }: UploadPair): CarryingPair {
  return { id, file: slice.path, carried: slice.contours.map(({ structure }) => structure) };
}

function shapeOf({ header }: Pick<UploadPair['slice'], 'header'>, values: Values): string {
  return `${header.rows}x${header.columns}x${channelsOf(header, values)}`;
}

function unitOf(
  { slice }: UploadPair,
  slot: number,
  place: number,
  { structures, holes }: { readonly structures: readonly string[]; readonly holes: Holes },
  root: string,
  numberOf: (file: string) => number,
): LoadUnit {
  const { path, guard, header, headerDigest, checksum, frame, contours } = slice;
  return {
    slot,
    place,
    source: sealSource({
      source: {
        root,
        path: String(numberOf(path)),
        guard,
        header: JSON.stringify(header),
        headerDigest,
        checksum,
        frame,
        isPassing: true,
      },
      drawn: {
        parts: contours.map(({ structure, kind, roi, points }) => ({ structure, kind, roi, points })),
        outlining: { names: structures.map((name) => [name]), holes, originShift: 0 },
      },
    }),
  };
}

/** Throws `SlfError` for the first pair of a loaded batch that could not be loaded. */
export function acceptUploadBatch({ pairs }: UploadBatch, lease: Lease): void {
  for (const [slot, outcome] of lease.outcomes.entries()) {
    const pair = pairs[slot]!;
    if (outcome.kind !== 'loaded') throw refuseFinding(outcome, findingOf(outcome), pair.id, pair.slice.path);
  }
}
