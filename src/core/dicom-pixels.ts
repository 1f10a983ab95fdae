import { KEPT } from './dicom-attributes.js';
import { type DicomCursor, type DicomElement, HeaderStop, refusal } from './dicom-cursor.js';
import { PIXEL_KINDS } from './dicom-description.js';
import { FunctionalGroups } from './dicom-groups.js';
import type { Notes } from './dicom-notes.js';
import { isPrivateRead } from './dicom-private.js';
import { REAL_WORLD_VALUES, RealWorldValues } from './dicom-scaling.js';
import { LookupTables } from './dicom-tables.js';
import { kindName, kindWithoutPixels } from './dicom-uids.js';
import { type DicomValues, SOP_CLASS, sopClass } from './dicom-values.js';

/** What an image cannot be read without, and what it is seldom without: SamplesPerPixel to PixelRepresentation. */
const DESCRIPTION = [0x00280002, 0x00280004, 0x00280010, 0x00280011, 0x00280100, 0x00280103];

/**
 * The pixel data, everything before it read; and, where the image is described behind it, everything behind it too. `end` is how far
 * that went. Throws `HeaderStop`.
 */
export function findPixels(
  cursor: DicomCursor,
  values: DicomValues,
  groups: FunctionalGroups,
  tables: LookupTables,
  notes: Notes,
): { readonly pixels: DicomElement; readonly end: number } {
  const read = (element: DicomElement): void => {
    if (FunctionalGroups.is(element.tag)) {
      if (cursor.walkWhole(element, groups)) return;
      groups.forget();
      notes.add(
        'HEADER_REPAIRED',
        'the functional groups cannot be read; what they say of frames is left out',
      );
    } else if (LookupTables.is(element.tag)) {
      if (cursor.walkWhole(element, tables)) return;
      tables.forget(element.tag);
      notes.add('MODALITY_LUT', 'a sequence of tables cannot be read; it is left out');
    } else if (element.tag === REAL_WORLD_VALUES) {
      if (!cursor.walkWhole(element, new RealWorldValues(values)))
        notes.add('HEADER_REPAIRED', 'the real-world value mapping cannot be read; it is left out');
    } else {
      if (KEPT.has(element.tag) || isPrivateRead(element.tag)) values.keep(element);
      cursor.skip(element);
    }
  };
  const pixels = firstPixels(cursor, values, read);
  if (DESCRIPTION.every((tag) => values.has(tag))) return { pixels, end: pixels.offset };
  const end = readBehind(cursor, pixels, read);
  if (end === null) return { pixels, end: pixels.offset };
  notes.add('HEADER_REPAIRED', 'elements behind the pixel data were read, which lack before it');
  return { pixels, end };
}

/** Reads on behind the pixels, up to the end or to what is no element; gives how far, null where nothing is there. */
function readBehind(
  cursor: DicomCursor,
  pixels: DicomElement,
  read: (element: DicomElement) => void,
): number | null {
  let end: number | null = null;
  try {
    cursor.skip(pixels);
    while (cursor.position < cursor.fileSizeBytes) {
      read(cursor.next());
      end = cursor.position;
    }
  } catch (error) {
    if (!(error instanceof HeaderStop) || error.outcome.kind !== 'refused') throw error;
  }
  return end;
}

/** The pixel data, at the head of which the cursor stops, everything before it read. */
function firstPixels(
  cursor: DicomCursor,
  values: DicomValues,
  read: (element: DicomElement) => void,
): DicomElement {
  const other = () => kindWithoutPixels(sopClass(values));
  let kind = other();
  while (cursor.position < cursor.fileSizeBytes) {
    // What follows the series is not of interest in an object that has no pixels, nor are a directory's records: they may be long.
    if (kind !== null && endsIdentity(nextTag(cursor))) throw withoutPixels(kind);
    const element = cursor.next();
    if (PIXEL_KINDS.has(element.tag)) return element;
    read(element);
    if (element.tag === SOP_CLASS) kind = other();
  }
  cursor.need(cursor.position);
  if (kind !== null) throw withoutPixels(kind);
  const name = kindName(sopClass(values));
  throw refusal(
    'NO_PIXELS',
    name === null ? 'the file has no pixel data' : `the file is a ${name} without pixel data`,
  );
}

const SERIES = 0x0020000e;
const DIRECTORY_GROUP = 0x0004;

function endsIdentity(tag: number): boolean {
  return tag > SERIES || tag >>> 16 === DIRECTORY_GROUP;
}

function withoutPixels(kind: string): HeaderStop {
  return refusal('NO_PIXELS', `the file is a ${kind}, which has no pixel data`);
}

/** The tag at the cursor, which stays where it is. */
function nextTag(cursor: DicomCursor): number {
  cursor.need(cursor.position + 4);
  return cursor.uint16(cursor.position) * 0x10000 + cursor.uint16(cursor.position + 2);
}
