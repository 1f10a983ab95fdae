import type { DicomCursor, DicomElement, SequenceVisitor } from './dicom-cursor.js';
import { REAL_WORLD_TAGS, REAL_WORLD_VALUES } from './dicom-scaling.js';
import { type FoundTable, keepTableElement } from './dicom-tables.js';

const FRAME_VOI_LUT = 0x00289132;
const VOI_TABLES = 0x00283010;
const SHARED = 0x52009229;
const PER_FRAME = 0x52009230;

/** Macro sequence -> its elements that are read (DICOM PS3.3, section C.7.6.16.2). */
const MACROS: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  // Pixel Measures
  [0x00289110, new Set([0x00280030])],
  // Pixel Value Transformation
  [0x00289145, new Set([0x00281052, 0x00281053])],
  [REAL_WORLD_VALUES, new Set(REAL_WORLD_TAGS)],
  // Plane Position, Plane Orientation
  [0x00209113, new Set([0x00200032])],
  [0x00209116, new Set([0x00200037])],
  // Frame VOI LUT
  [FRAME_VOI_LUT, new Set([0x00281050, 0x00281051, 0x00281056])],
  // Frame Content, Cardiac Synchronization
  [0x00209111, new Set([0x00209128, 0x00189074, 0x00189151])],
  [0x00189118, new Set([0x00209153])],
]);

/** What one item of them says. */
interface Group {
  readonly elements: DicomElement[];
  /** The first VOI table of its Frame VOI LUT (section C.7.6.16.2.10b); empty where it has none. */
  readonly table: FoundTable;
}

const emptyGroup = (): Group => ({ elements: [], table: {} });
const saysSomething = ({ descriptor, data }: FoundTable): boolean =>
  descriptor !== undefined || data !== undefined;

/** The functional groups of an enhanced multi-frame image: what all its frames share, and what each has for itself. */
export class FunctionalGroups implements SequenceVisitor {
  #shared = emptyGroup();
  #frames: Group[] = [];
  #present = this.#shared;

  constructor(readonly cursor: DicomCursor) {}

  static is(tag: number): boolean {
    return tag === SHARED || tag === PER_FRAME;
  }

  /** How many items the per-frame groups have; 0 where there are none. */
  get frames(): number {
    return this.#frames.length;
  }

  enters(tag: number): boolean {
    return MACROS.has(tag) || tag === VOI_TABLES;
  }

  item(sequence: number): void {
    if (sequence === SHARED) this.#present = this.#shared;
    if (sequence !== PER_FRAME) return;
    this.#present = emptyGroup();
    // What is over the limit of frames is refused by the image's own count of them.
    if (this.#frames.length <= this.cursor.limits.maxFrames) this.#frames.push(this.#present);
  }

  value(parent: number, element: DicomElement): void {
    if (element.length === 0) return;
    if (parent === VOI_TABLES) keepTableElement(this.#present.table, element);
    if (MACROS.get(parent)?.has(element.tag)) this.#present.elements.push(element);
  }

  /** Lets go of everything: where one of the groups is broken, the rest of them say half. */
  forget(): void {
    this.#shared = emptyGroup();
    this.#frames = [];
    this.#present = this.#shared;
  }

  /** The elements that hold for a frame, from 0: its own behind those that all share. */
  elements(frame: number): readonly DicomElement[] {
    return [...this.#shared.elements, ...(this.#frames[frame]?.elements ?? [])];
  }

  /** The VOI table that holds for a frame, from 0: its own, else the one that all share; null where there is none. */
  voiTable(frame: number): FoundTable | null {
    const tables = [this.#frames[frame]?.table, this.#shared.table];
    return tables.find((table) => table !== undefined && saysSomething(table)) ?? null;
  }
}
