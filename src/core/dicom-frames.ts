import type { ImageHeader } from './dicom.js';
import { geometry } from './dicom-attributes.js';
import type { FunctionalGroups } from './dicom-groups.js';
import type { Notes } from './dicom-notes.js';
import { modalityValues } from './dicom-scaling.js';
import { tablePlace } from './dicom-tables.js';
import { type Timing, timing } from './dicom-timing.js';
import { RT_DOSE } from './dicom-uids.js';
import { type DicomValues, sopClass } from './dicom-values.js';
import { normalOf } from './normal.js';

type FrameAttributes = Pick<
  ImageHeader,
  'spacingMm' | 'position' | 'orientation' | 'triggerMs' | 'rescale' | 'window' | 'voiFunction' | 'voiTable'
>;

/** What a frame says for itself where frames differ: over what the header says. */
export interface FrameDescription {
  readonly header: Partial<FrameAttributes>;
  readonly timing: Partial<Timing>;
}

export interface FramesDescription {
  /** Of the whole file: where frames differ, place and direction are null and everything else is the first frame's. */
  readonly header: FrameAttributes;
  readonly timing: Timing;
  /** One a frame; null where no frame differs from the others. */
  readonly frames: readonly FrameDescription[] | null;
}

/**
 * What functional groups say of each frame (DICOM PS3.3, section C.7.6.16): a frame's own group goes before the shared
 * one, and that before the top level of the data set, whose VOI table is `voiTable`.
 */
export function describeFrames(
  values: DicomValues,
  groups: FunctionalGroups,
  frames: number,
  voiTable: ImageHeader['voiTable'],
  notes: Notes,
): FramesDescription {
  if (groups.frames !== 0 && groups.frames !== frames)
    notes.add('HEADER_REPAIRED', `the image has ${frames} frames, its per-frame groups ${groups.frames}`);
  const signed = values.uint16(0x00280103) === 1;
  const tableOf = (frame: number): ImageHeader['voiTable'] => {
    const found = groups.voiTable(frame);
    if (found === null) return voiTable;
    const place = tablePlace(values.cursor, found, signed);
    if (place === null)
      notes.add('MODALITY_LUT', 'a VOI table of the functional groups cannot be used; it is left out');
    return place;
  };
  const describe = (frame: number) => {
    const elements = groups.elements(frame);
    const own = elements.length === 0 ? values : values.with(elements);
    const { spacingMm, position, orientation } = geometry(own, notes);
    const { rescale, window, voiFunction } = modalityValues(own, notes);
    const times = timing(own, notes);
    const { triggerMs } = times;
    return {
      header: {
        spacingMm,
        position,
        orientation,
        triggerMs,
        rescale,
        window,
        voiFunction,
        voiTable: tableOf(frame),
      },
      timing: times,
    };
  };
  const first = describe(0);
  if (frames > 1 && groups.frames === 0) {
    const places = gridPlaces(values, first.header, frames, notes);
    if (places)
      return {
        ...first,
        header: { ...first.header, position: null },
        frames: places.map((position) => ({ header: { position }, timing: {} })),
      };
  }
  if (frames === 1 || groups.frames === 0) return { ...first, frames: null };
  const all = [first, ...Array.from({ length: frames - 1 }, (_, i) => describe(i + 1))];
  const header = differing(all.map((frame) => frame.header));
  const times = differing(all.map((frame) => frame.timing));
  if (header.size === 0 && times.size === 0) return { ...first, frames: null };
  const unplaced = {
    ...(header.has('position') ? { position: null } : {}),
    ...(header.has('orientation') ? { orientation: null } : {}),
  };
  return {
    header: { ...first.header, ...unplaced },
    timing: first.timing,
    frames: all.map((frame) => ({
      header: only(frame.header, header),
      timing: only(frame.timing, times),
    })),
  };
}

/** The header of one frame, from 0: the file's with what the frame says for itself. */
export function headerOfFrame(
  header: ImageHeader,
  frames: readonly FrameDescription[] | null,
  frame: number,
): ImageHeader {
  const own = frames?.[frame]?.header;
  return own ? { ...header, ...own } : header;
}

const GRID_FRAME_OFFSETS = 0x3004000c;

/**
 * Where the frames of a dose grid lie (DICOM PS3.3, section C.8.8.3.2): offsets along the normal where the first is 0, else
 * coordinates along z; nowhere where that can't be read. Null for any other image.
 */
function gridPlaces(
  values: DicomValues,
  { position, orientation }: Pick<ImageHeader, 'position' | 'orientation'>,
  frames: number,
  notes: Notes,
): ([number, number, number] | null)[] | null {
  const offsets = values.decimals(GRID_FRAME_OFFSETS);
  if (offsets === null && sopClass(values) !== RT_DOSE) return null;
  if (offsets?.length !== frames || offsets.some(Number.isNaN)) {
    notes.add(
      'POSITION_INVALID',
      'GridFrameOffsetVector is not a number for each frame; their places are unknown',
    );
    return new Array<null>(frames).fill(null);
  }
  if (!position || !orientation) return null;
  const [x, y, z] = position;
  const [normalX, normalY, normalZ] = normalOf(orientation);
  const isRelative = offsets[0] === 0;
  return offsets.map((offset) =>
    isRelative ? [x + offset * normalX, y + offset * normalY, z + offset * normalZ] : [x, y, offset],
  );
}

/** The names of the attributes that some object has another value for than the first. */
function differing<T extends object>(objects: readonly T[]): Set<keyof T> {
  const names = new Set<keyof T>();
  const [first] = objects;
  if (!first) return names;
  for (const name of Object.keys(first) as (keyof T)[]) {
    const text = JSON.stringify(first[name]);
    if (objects.some((object) => JSON.stringify(object[name]) !== text)) names.add(name);
  }
  return names;
}

function only<T extends object>(object: T, names: ReadonlySet<keyof T>): Partial<T> {
  const kept: Partial<T> = {};
  for (const name of names) kept[name] = object[name];
  return kept;
}
