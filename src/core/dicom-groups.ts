import type { DicomCursor, DicomElement, SequenceVisitor } from './dicom-cursor.js';
import { textOf } from './dicom-values.js';

const SHARED = 0x52009229;
const PER_FRAME = 0x52009230;

/** Six decimal strings have at most 101 characters; frames that differ later than here are not an image's. */
const LONGEST = 256;

/** Macro sequence -> its elements that are read (DICOM PS3.3, section C.7.6.16.2). */
const MACROS: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [0x00289110, new Set([0x00280030])],
  [0x00289145, new Set([0x00281052, 0x00281053])],
  [0x00209113, new Set([0x00200032])],
  [0x00209116, new Set([0x00200037])],
  [0x00289132, new Set([0x00281050, 0x00281051])],
]);

/** What the functional groups of an enhanced multi-frame image say, as far as all frames say the same. */
export class FunctionalGroups implements SequenceVisitor {
  readonly #found = new Map<number, { element: DicomElement; text: string | null; differs: boolean }>();

  constructor(readonly cursor: DicomCursor) {}

  static is(tag: number): boolean {
    return tag === SHARED || tag === PER_FRAME;
  }

  enters(tag: number): boolean {
    return MACROS.has(tag);
  }

  value(parent: number, element: DicomElement): void {
    if (!MACROS.get(parent)?.has(element.tag)) return;
    const text = textOf(this.cursor, element, LONGEST);
    const known = this.#found.get(element.tag);
    if (!known) this.#found.set(element.tag, { element, text, differs: false });
    else if (known.text !== text) known.differs = true;
  }

  /** Whether frames disagree about an attribute. */
  differs(tag: number): boolean {
    return this.#found.get(tag)?.differs ?? false;
  }

  /** The elements that hold for every frame. */
  *agreed(): Iterable<DicomElement> {
    for (const { element, differs } of this.#found.values()) if (!differs) yield element;
  }
}
