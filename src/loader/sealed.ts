import type { Extent } from '../core/extent.js';
import { extentsOf, type Outlining } from '../core/outlining.js';
import { type PackedStructurePart, unpackedBytes, unpackPart } from '../core/packed-part.js';
import type { LoaderLimits, LoadUnit, PairSource } from './messages.js';

/** What a slot is loaded from: a frame of a file, and where each structure is on it. */
export interface SlotSource {
  readonly source: PairSource;
  readonly extents: readonly Extent[];
}

/** The same as it travels: the header is JSON, and parts are packed, as the catalogue has both; they are read by a loader alone. */
export interface SourceContent {
  readonly source: Omit<PairSource, 'header'> & { readonly header: string };
  readonly drawn: {
    readonly parts: readonly PackedStructurePart[];
    readonly outlining: Outlining;
  };
}

/** A slot's source, sealed once, however often its pair is loaded. */
export interface SealedSource {
  /** Among the sources of a process; null for one that nobody keeps. */
  readonly number: number | null;
  readonly sizeBytes: number;
  /** Null on the way to a loader that keeps the source of this number. */
  readonly content: SourceContent | null;
}

let sealed = 0;

export function sealSource(content: SourceContent): SealedSource & { readonly content: SourceContent } {
  const { source, drawn } = content;
  const sizeBytes = drawn.parts.reduce((sum, part) => sum + unpackedBytes(part), source.header.length);
  return { number: source.isPassing ? null : sealed++, sizeBytes, content };
}

/** Opens a source that has its content with it. */
function openSource({ content }: SealedSource): SlotSource {
  if (!content) throw new Error('a source without its content');
  const { source, drawn } = content;
  const parts = drawn.parts.map((part) => ({ structure: part.structure, part: unpackPart(part) }));
  return {
    source: { ...source, header: JSON.parse(source.header) },
    extents: extentsOf(parts, drawn.outlining),
  };
}

/**
 * The rule by which parent and loader agree, with no word between them, on what the loader keeps: before more than so many bytes
 * would come, both forget all of them; a source that has more by itself is not kept.
 */
class Kept<Value> {
  #limitBytes: number;
  #values = new Map<number, Value>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  find(number: number): Value | undefined {
    return this.#values.get(number);
  }

  keep(number: number, sizeBytes: number, value: Value): void {
    if (sizeBytes > this.#limitBytes) return;
    if (this.#bytes + sizeBytes > this.#limitBytes) {
      this.#values.clear();
      this.#bytes = 0;
    }
    this.#values.set(number, value);
    this.#bytes += sizeBytes;
  }
}

/** What one loader was sent: a source travels to it once, as long as it keeps it. */
export class SentSources {
  #sent: Kept<SealedSource>;

  constructor({ keptBytes }: Pick<LoaderLimits, 'keptBytes'>) {
    this.#sent = new Kept(keptBytes);
  }

  /** Units as they travel; to be called for each task in the order in which the loader gets them. */
  toSend(units: readonly LoadUnit[]): LoadUnit[] {
    return units.map((unit) =>
      unit.source === null ? unit : { ...unit, source: this.#toSend(unit.source) },
    );
  }

  #toSend(source: SealedSource): SealedSource {
    const { number, sizeBytes } = source;
    if (number === null) return source;
    const known = this.#sent.find(number);
    if (known) return known;
    this.#sent.keep(number, sizeBytes, { number, sizeBytes, content: null });
    return source;
  }
}

/** What a loader was sent and keeps. */
export class KeptSources {
  #kept: Kept<SlotSource>;

  constructor({ keptBytes }: Pick<LoaderLimits, 'keptBytes'>) {
    this.#kept = new Kept(keptBytes);
  }

  /** Opens a source; to be called for every source of every task, in order. */
  open(source: SealedSource): SlotSource {
    const { number, sizeBytes, content } = source;
    if (number === null) return openSource(source);
    if (content === null) {
      const kept = this.#kept.find(number);
      if (!kept) throw new Error('a source that was not sent');
      return kept;
    }
    const opened = openSource(source);
    this.#kept.keep(number, sizeBytes, opened);
    return opened;
  }
}
