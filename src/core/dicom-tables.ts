import { lookupTable, type TablePlace } from './colour.js';
import type { ImageHeader } from './dicom.js';
import type { DicomCursor, DicomElement, SequenceVisitor } from './dicom-cursor.js';
import type { Notes } from './dicom-notes.js';
import type { DicomValues } from './dicom-values.js';

const MODALITY_TABLES = 0x00283000;
const VOI_TABLES = 0x00283010;
const DESCRIPTOR = 0x00283002;
const DATA = 0x00283006;
const COLOURS = [1, 2, 3] as const;

/** The first item of a sequence of tables. */
export interface FoundTable {
  descriptor?: DicomElement;
  data?: DicomElement;
}

/** Takes an element of an item of a sequence of tables in, the first of each kind. */
export function keepTableElement(found: FoundTable, element: DicomElement): void {
  if (element.tag === DESCRIPTOR) found.descriptor ??= element;
  if (element.tag === DATA) found.data ??= element;
}

/**
 * Where a table's entries are, null where it can't be used; `signed`: whether its first value is where its VR doesn't say
 * (DICOM PS3.3, sections C.7.6.3.1.5 and C.11.2.1.1).
 */
export function tablePlace(
  cursor: DicomCursor,
  { descriptor, data }: FoundTable,
  signed: boolean,
  segmented = false,
): TablePlace | null {
  if (!descriptor || !data || descriptor.length < 6 || data.undefinedLength) return null;
  cursor.need(descriptor.offset + 6);
  const word = (index: number): number => cursor.uint16(descriptor.offset + 2 * index);
  // 65,536 does not fit its word and is written as 0.
  const entries = word(0) || 65_536;
  const first = signed || descriptor.vr === 'SS' ? (word(1) << 16) >> 16 : word(1);
  const bits = word(2);
  const least = segmented ? 2 : bits <= 8 ? entries : 2 * entries;
  if (bits < 1 || bits > 16 || data.length < least || data.length > 4 * 65_536) return null;
  const { offset, length } = data;
  const place = { entries, first, bits, offset, length, big: cursor.isBigEndian, segmented };
  if (!segmented) return place;
  // Only expanding the segments tells how many entries they have.
  cursor.need(offset + length);
  return lookupTable(place, cursor.prefix.subarray(offset, offset + length)) && place;
}

/** Finds the lookup tables of a header without reading their entries (DICOM PS3.3, sections C.7.9, C.11.1 and C.11.2). */
export class LookupTables implements SequenceVisitor {
  readonly #found = new Map<number, FoundTable>();

  constructor(readonly cursor: DicomCursor) {}

  static is(tag: number): boolean {
    return tag === MODALITY_TABLES || tag === VOI_TABLES;
  }

  enters(): boolean {
    return false;
  }

  value(parent: number, element: DicomElement): void {
    if (!LookupTables.is(parent)) return;
    const found = this.#found.get(parent) ?? {};
    keepTableElement(found, element);
    this.#found.set(parent, found);
  }

  /** Lets go of a sequence that turned out broken. */
  forget(sequence: number): void {
    this.#found.delete(sequence);
  }

  /** Where they are; one that can't be used is null, with a note. */
  places(
    values: DicomValues,
    signed: boolean,
    notes: Notes,
  ): Pick<ImageHeader, 'palette' | 'modalityTable' | 'voiTable'> {
    const one = (tag: number, name: string): TablePlace | null => {
      const found = this.#found.get(tag);
      if (!found) return null;
      const place = tablePlace(this.cursor, found, signed);
      if (place === null) notes.add('MODALITY_LUT', `the ${name} table cannot be used; it is left out`);
      return place;
    };
    const palette = COLOURS.map((colour) => {
      const descriptor = values.element(0x00281100 + colour) ?? undefined;
      const plain = values.element(0x00281200 + colour);
      const data = plain ?? values.element(0x00281220 + colour) ?? undefined;
      const found = { ...(descriptor ? { descriptor } : {}), ...(data ? { data } : {}) };
      return tablePlace(this.cursor, found, signed, plain === null);
    });
    return {
      palette: palette.every((place) => place !== null) ? palette : null,
      modalityTable: one(MODALITY_TABLES, 'modality'),
      voiTable: one(VOI_TABLES, 'VOI'),
    };
  }
}
