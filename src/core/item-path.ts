import { type DicomElement, type SequenceVisitor, tagName } from './dicom-cursor.js';

/** The way from a data set's top level to an item: `tagName` of each sequence, in a row. */
export function itemPath(...tags: readonly number[]): string {
  return tags.map(tagName).join('');
}

/**
 * Looks into some sequences of a data set, knowing where in it a walk is: an element counts by the whole way to it, so that
 * one of the same tag in a private sequence, say, is not taken for it.
 */
export abstract class ItemVisitor implements SequenceVisitor {
  #ways: string[] = [''];

  /** The sequences that are looked into, wherever they stand. */
  abstract enters(tag: number): boolean;
  /** A value of the item at `path`. */
  abstract found(path: string, element: DicomElement): void;
  protected begun(_path: string): void {}
  protected ended(_path: string): void {}

  item(sequence: number): void {
    const path = this.#ways.at(-1)! + tagName(sequence);
    this.#ways.push(path);
    this.begun(path);
  }

  itemEnd(): void {
    this.ended(this.#ways.pop()!);
  }

  value(_parent: number, element: DicomElement): void {
    this.found(this.#ways.at(-1)!, element);
  }
}
