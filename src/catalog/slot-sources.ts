import type { Holes } from '../core/part.js';
import type { PairSource } from '../loader/messages.js';
import { type SealedSource, sealSource } from '../loader/sealed.js';
import { Recent } from '../recent.js';
import type { Locate } from '../sources/place.js';
import type { Database } from '../sqlite.js';
import { extentsOf, partsOf } from './parts.js';
import type { Slice } from './studies.js';

const REMEMBERED_BYTES = 16 * 1024 * 1024;
/** Of an entry beside its bytes. */
const ENTRY_BYTES = 256;

/** Which structures are looked for on a slice, and how their contours are read. */
export interface Outlining {
  /** For each structure every name that means it. */
  readonly names: readonly (readonly string[])[];
  readonly holes: Holes;
  /** See `extentsOf`. */
  readonly originShift: 0 | -0.5;
}

type Sealed = ReturnType<typeof sealSource>;

/** The file and frame of a slice, with what the catalogue knows of it. */
export function pairSource(
  { path, guard, header, headerDigest, checksum, frame }: Slice,
  locate: Locate,
): PairSource {
  return { ...locate(path), guard, header, headerDigest, checksum, frame };
}

/** What pairs are loaded from, sealed for loaders: remembered by slice and outlining, because every epoch asks for all of it again. */
export class SlotSources {
  #db: Database;
  #locate: Locate;
  #sealed = new Recent<string, { readonly slice: Slice; readonly source: Sealed }>(
    REMEMBERED_BYTES,
    ({ source }) => source.bytes.length + ENTRY_BYTES,
  );

  constructor(db: Database, locate: Locate) {
    this.#db = db;
    this.#locate = locate;
  }

  /** Answers what gives the source of each slice for one outlining. */
  outlinedBy(outlining: Outlining): (slice: Slice) => SealedSource {
    const { names, holes, originShift } = outlining;
    const form = JSON.stringify([names, holes, originShift]);
    return (slice) => {
      const key = `${slice.revision}/${slice.ordinal}/${form}`;
      const make = () => ({ slice, source: this.#seal(slice, outlining) });
      const known = this.#sealed.get(key, make);
      if (known.slice === slice) return known.source;
      // Something was learned of the slice since.
      this.#sealed.forget(key);
      return this.#sealed.get(key, make).source;
    };
  }

  #seal(slice: Slice, { names, holes, originShift }: Outlining): Sealed {
    const parts = partsOf(this.#db, slice.revision, slice.ordinal);
    const extents = extentsOf(parts, names, holes, originShift);
    return sealSource({ source: pairSource(slice, this.#locate), extents });
  }
}
