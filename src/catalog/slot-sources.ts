import { type Dropped, NONE_DROPPED } from '../core/contests.js';
import type { Outlining } from '../core/outlining.js';
import type { PairSource } from '../loader/messages.js';
import { type SealedSource, sealSource } from '../loader/sealed.js';
import { Recent } from '../recent.js';
import type { Locate } from '../sources/place.js';
import type { Database } from '../sqlite.js';
import { packedPartsAt } from './parts.js';
import { placeKey, type SliceRecord } from './slices.js';

const REMEMBERED_BYTES = 16 * 1024 * 1024;
/** Of an entry beside its bytes. */
const ENTRY_BYTES = 256;

type Sealed = ReturnType<typeof sealSource>;

/** The file and frame of a slice, with what the catalogue knows of it; the header as it comes. */
export function pairSource<Header>(
  slice: Omit<SliceRecord, 'header' | 'structures' | 'unusable'> & { readonly header: Header },
  locate: Locate,
): Omit<PairSource, 'header'> & { readonly header: Header } {
  const { path, guard, header, headerDigest, checksum, frame } = slice;
  const place = locate(path);
  return { root: place.root, path: place.path, guard, header, headerDigest, checksum, frame };
}

/** What pairs are loaded from, sealed for loaders: remembered by slice and outlining, because every epoch asks for all of it again. */
export class SlotSources {
  #db: Database;
  #locate: Locate;
  #sealed = new Recent<string, { readonly slice: SliceRecord; readonly source: Sealed }>(
    REMEMBERED_BYTES,
    ({ source }) => source.sizeBytes + ENTRY_BYTES,
  );

  constructor(db: Database, locate: Locate) {
    this.#db = db;
    this.#locate = locate;
  }

  /**
   * Returns a function that gives the sources of slices, in their order, for one outlining. `unused`:
   * structures of sources that are not drawn, by revision.
   */
  outlinedBy(
    outlining: Outlining,
    unused: (revision: number) => Dropped = () => NONE_DROPPED,
  ): (slices: readonly SliceRecord[]) => readonly SealedSource[] {
    const { names, holes, originShift } = outlining;
    const form = JSON.stringify([names, holes, originShift]);
    const structures = [...new Set(names.flat())];
    return (slices) => {
      const keys = slices.map(
        (slice) => `${placeKey(slice)}/${form}${[...unused(slice.revision)].join('/')}`,
      );
      const known = keys.map((key) => this.#sealed.find(key));
      const parts = packedPartsAt(
        this.#db,
        slices.filter((_, at) => !known[at]),
        structures,
        unused,
      );
      let next = 0;
      return slices.map((slice, at) => {
        const before = known[at];
        if (before?.slice === slice) return before.source;
        // Where it is known already, something was learned of the slice since: its contours are the same.
        const drawn = before ? before.source.content.drawn : { parts: parts[next++]!, outlining };
        const source = sealSource({ source: pairSource(slice, this.#locate), drawn });
        this.#sealed.keep(keys[at]!, { slice, source });
        return source;
      });
    };
  }
}
