/** One item of encapsulated pixel data: its value's place in the file, in bytes. */
export interface Fragment {
  readonly offset: number;
  readonly length: number;
}

const ITEM_HEAD = 8;

/**
 * For each frame the places of its fragments, offset and length in turn; null where the fragments can't be told apart.
 * One fragment a frame needs no table, and a single frame has them all (DICOM PS3.5, section A.4); else the basic offset
 * table says which fragment begins a frame (offsets from the first fragment's item), else `begins` does, by their content.
 */
export function groupFragments(
  fragments: readonly Fragment[],
  frames: number,
  offsetTable: readonly number[],
  begins: (fragment: Fragment) => boolean,
): number[][] | null {
  if (fragments.length < frames || fragments.length === 0) return null;
  if (frames === 1) return [fragments.flatMap(({ offset, length }) => [offset, length])];
  if (fragments.length === frames) return fragments.map(({ offset, length }) => [offset, length]);
  const base = fragments[0]!.offset - ITEM_HEAD;
  if (offsetTable.length === frames) {
    const starts = new Set(offsetTable);
    const byTable = split(fragments, frames, ({ offset }) => starts.has(offset - ITEM_HEAD - base));
    if (byTable) return byTable;
  }
  return split(fragments, frames, begins);
}

function split(
  fragments: readonly Fragment[],
  frames: number,
  begins: (fragment: Fragment) => boolean,
): number[][] | null {
  const groups: number[][] = [];
  for (const fragment of fragments) {
    if (begins(fragment)) groups.push([]);
    const last = groups.at(-1);
    if (!last || groups.length > frames) return null;
    last.push(fragment.offset, fragment.length);
  }
  return groups.length === frames ? groups : null;
}
