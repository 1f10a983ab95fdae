import { headerOfFrame } from '../core/dicom-frames.js';
import type { DrawnObject, DrawnOn } from '../core/drawn-object.js';
import { ImagePacker, type PackedImages } from '../core/packed-images.js';
import { planeOf } from '../core/plane.js';
import type { Problem } from '../core/problem.js';
import { emplace, type FoundFile } from '../core/study-files.js';
import { sharedSeries } from '../core/study-groups.js';
import type { FoundFiles } from './files.js';
import type { PlaceFile } from './scan-loaders.js';
import { othersTurn, Turns } from './turns.js';

/** The most images that one task compares an object with. */
const IMAGES_PER_TASK = 100_000;

/**
 * Finds the images of each structure set and segmentation that names no series in the folder, or only one
 * that patients share: the images that it names one by one, else the images in whose planes it lies. An
 * object without images is not in the result. If it could not be searched, `problems` tells why.
 */
export async function imagesDrawnOn(
  found: readonly FoundFile[],
  files: FoundFiles,
  place: PlaceFile,
  problems: Problem[],
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
  const types = new Map<string, { readonly type: DrawnObject['type']; readonly spaces: readonly string[] }>();
  for (const { path } of adrift) {
    await othersTurn();
    const finding = files.get(path)?.finding;
    if (finding?.kind !== 'drawn') continue;
    const { drawn } = finding;
    types.set(path, { type: drawn.type, spaces: drawn.spaces });
    for (const uid of drawn.images) emplace(naming, uid, () => []).push(path);
    for (const space of drawn.spaces) spaces.add(space);
  }
  if (naming.size === 0 && spaces.size === 0) return drawnOn;
  const named = new Map<string, string[]>();
  const inSpaces = new ImagesInSpaces();
  const turns = new Turns();
  for (const { path } of images) {
    if (turns.isOver(0)) await othersTurn();
    const finding = files.get(path)?.finding;
    if (finding?.kind !== 'image') continue;
    const { header } = finding;
    for (const object of naming.get(header.sopInstanceUid) ?? []) emplace(named, object, () => []).push(path);
    const space = header.frameOfReferenceUid;
    if (space === null || !spaces.has(space)) continue;
    for (let frame = 0; frame < header.frames; frame++) {
      if (turns.isOver(0)) await othersTurn();
      inSpaces.add(path, space, headerOfFrame(header, finding.frames, frame));
    }
  }
  for (const { path } of adrift) {
    const byName = named.get(path);
    const object = types.get(path);
    if (byName) drawnOn.set(path, { by: 'name', images: byName });
    else if (object?.spaces.some((space) => inSpaces.spaces.has(space))) {
      const touched = new Set<string>();
      for (const { packed, paths } of inSpaces.lots()) {
        const outcome = await place(path, object.type, { kind: 'touched' }, packed);
        if (outcome.kind === 'touched') for (const at of outcome.places) touched.add(paths[at]!);
        else if (outcome.kind === 'refused')
          problems.push({ code: outcome.code, file: path, detail: outcome.detail });
      }
      if (touched.size > 0) drawnOn.set(path, { by: 'plane', images: [...touched] });
    }
  }
  return drawnOn;
}

/** Images of some frames of reference with their files, packed in lots that fit in a message. */
class ImagesInSpaces {
  readonly spaces = new Set<string>();
  #lots: { readonly packer: ImagePacker; readonly paths: string[] }[] = [];

  add(
    path: string,
    space: string,
    { position, orientation, spacingMm, rows, columns }: ReturnType<typeof headerOfFrame>,
  ): void {
    const plane = planeOf(position, orientation, spacingMm);
    if (!plane) return;
    let last = this.#lots.at(-1);
    if (!last || last.packer.count === IMAGES_PER_TASK) {
      last = { packer: new ImagePacker(), paths: [] };
      this.#lots.push(last);
    }
    this.spaces.add(space);
    last.paths.push(path);
    const names = { sopInstanceUid: '', frame: 0, seriesUid: '', frameOfReferenceUid: space };
    last.packer.add({ ...names, plane, rows, columns });
  }

  *lots(): Iterable<{ readonly packed: PackedImages; readonly paths: readonly string[] }> {
    for (const { packer, paths } of this.#lots) yield { packed: packer.finish(), paths };
  }
}
