/** One item of encapsulated pixel data: its value's place in the file, in bytes. */
export interface Fragment {
  readonly offset: number;
  readonly length: number;
}

const ITEM_HEAD = 8;

/** For each frame the places of its fragments, offset and length in turn; `isMore`: fragments of further frames are left. */
export interface FramePlaces {
  readonly frames: number[][];
  readonly isMore: boolean;
}

/**
 * Deals fragments to frames; null where they can't be told apart. Those that are empty belong to no frame. One fragment a frame
 * needs no table, and a single frame has them all (DICOM PS3.5, section A.4); else the basic offset table says which fragment
 * begins a frame (offsets from the first fragment's item), else `begins` does, by their content, else a table of more frames.
 */
export function groupFragments(
  all: readonly Fragment[],
  frames: number,
  offsetTable: readonly number[],
  begins: (fragment: Fragment) => boolean,
): FramePlaces | null {
  const fragments = all.filter(({ length }) => length > 0);
  if (fragments.length < frames || fragments.length === 0) return null;
  if (frames === 1)
    return { frames: [fragments.flatMap(({ offset, length }) => [offset, length])], isMore: false };
  if (fragments.length === frames)
    return { frames: fragments.map(({ offset, length }) => [offset, length]), isMore: false };
  const base = all[0]!.offset - ITEM_HEAD;
  const starts = new Set(offsetTable);
  const byTable = () => split(fragments, frames, ({ offset }) => starts.has(offset - ITEM_HEAD - base));
  const told = offsetTable.length === frames ? byTable() : null;
  return told ?? split(fragments, frames, begins) ?? byTable();
}

function split(
  fragments: readonly Fragment[],
  frames: number,
  begins: (fragment: Fragment) => boolean,
): FramePlaces | null {
  const groups: number[][] = [];
  for (const fragment of fragments) {
    if (begins(fragment)) {
      if (groups.length === frames) return { frames: groups, isMore: true };
      groups.push([]);
    }
    const last = groups.at(-1);
    if (!last) return null;
    last.push(fragment.offset, fragment.length);
  }
  return groups.length === frames ? { frames: groups, isMore: false } : null;
}
