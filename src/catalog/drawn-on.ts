import { headerOfFrame } from '../core/dicom-frames.js';
import {
  contoursLieIn,
  type DrawnObject,
  type DrawnOn,
  drawnSegmentation,
  drawnStructureSet,
  framesLieIn,
} from '../core/drawn-object.js';
import { type Projection, planeOf, projectionOf } from '../core/plane.js';
import { emplace, type FoundFile } from '../core/study-files.js';
import { sharedSeries } from '../core/study-groups.js';
import type { FoundFiles, ToldFinding } from './files.js';
import { othersTurn } from './turns.js';

/** Files that are looked at before the event loop turns. */
const FILES_PER_TURN = 200;

/**
 * For each structure set and segmentation that names no series that is there, or one that patients share, the images that it was drawn on:
 * those that it names one by one, else those in whose planes it lies. One that finds none is not among them.
 */
export async function imagesDrawnOn(
  found: readonly FoundFile[],
  files: FoundFiles,
  toleranceMm: number,
): Promise<Map<string, DrawnOn>> {
  const images = found.filter(({ kind }) => kind === 'image');
  const shared = sharedSeries(images);
  const series = new Set(images.flatMap((file) => file.series.filter((uid) => !shared.has(uid))));
  const adrift = found.filter(
    ({ kind, series: own }) => kind === 'object' && !own.some((uid) => series.has(uid)),
  );
  const drawnOn = new Map<string, DrawnOn>();
  const naming = new Map<string, string[]>();
  const spaces = new Set<string>();
  for (const { path } of adrift) {
    const object = drawnObject(files.get(path)?.finding);
    for (const uid of object?.names ?? []) emplace(naming, uid, () => []).push(path);
    for (const space of object?.spaces ?? []) spaces.add(space);
    await othersTurn();
  }
  if (naming.size === 0 && spaces.size === 0) return drawnOn;
  const named = new Map<string, string[]>();
  const inSpace = new Map<string, { readonly path: string; readonly projection: Projection }[]>();
  for (const [at, { path }] of images.entries()) {
    if (at % FILES_PER_TURN === 0) await othersTurn();
    const finding = files.get(path)?.finding;
    if (finding?.kind !== 'image') continue;
    const { header, frames } = finding;
    for (const object of naming.get(header.sopInstanceUid) ?? []) emplace(named, object, () => []).push(path);
    const space = header.frameOfReferenceUid;
    if (space === null || !spaces.has(space)) continue;
    for (let frame = 0; frame < header.frames; frame++) {
      const { position, orientation, spacingMm } = headerOfFrame(header, frames, frame);
      const plane = planeOf(position, orientation, spacingMm);
      const projection = plane && projectionOf(plane);
      if (projection) emplace(inSpace, space, () => []).push({ path, projection });
    }
  }
  for (const { path } of adrift) {
    const byName = named.get(path);
    if (byName) {
      drawnOn.set(path, { by: 'name', images: byName });
      continue;
    }
    const near = [...(drawnObject(files.get(path)?.finding)?.spaces ?? [])].flatMap((space) =>
      (inSpace.get(space) ?? []).map((image) => ({ ...image, space })),
    );
    if (near.length === 0) continue;
    const finding = (await files.load(path))?.finding;
    const touched = new Set<string>();
    for (const [at, image] of near.entries()) {
      if (at % FILES_PER_TURN === 0) await othersTurn();
      if (touched.has(image.path)) continue;
      const { space, projection } = image;
      const isIn =
        finding?.kind === 'structures'
          ? contoursLieIn(finding.structures, space, projection, toleranceMm)
          : finding?.kind === 'segmentation' &&
            framesLieIn(finding.segmentation, space, projection, toleranceMm);
      if (isIn) touched.add(image.path);
    }
    if (touched.size > 0) drawnOn.set(path, { by: 'plane', images: [...touched] });
  }
  return drawnOn;
}

function drawnObject(finding: ToldFinding | undefined): DrawnObject | null {
  if (finding?.kind === 'structures') return drawnStructureSet(finding.structures);
  return finding?.kind === 'segmentation' ? drawnSegmentation(finding.segmentation) : null;
}
