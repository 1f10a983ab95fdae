import { ProblemList } from './problem-list.js';
import { runsAtLeast, runsByValue } from './runs.js';
import type { Doubt, SegmentationHeader, SegmentFrame } from './segmentation.js';

/** The pixels of one segment in one frame: runs [first, first + count) of its segmentation, two numbers each. */
export interface SegmentRaster {
  /** The place among `segments`. */
  readonly segment: number;
  /** From 0. */
  readonly frame: number;
  readonly first: number;
  readonly count: number;
}

/** A frame, from 0, with inside pixels whose structure is uncertain. */
export interface LostFrame extends Doubt {
  readonly frame: number;
}

/** A segmentation with its pixels: plain data, but for the runs. */
export interface Segmentation extends SegmentationHeader {
  readonly sopInstanceUid: string;
  readonly studyUid: string;
  /** The series of the segmentation itself. */
  readonly seriesUid: string;
  /** SHA-256 of the patient's id; null where there is none. */
  readonly patient: string | null;
  readonly frameOfReferenceUid: string | null;
  readonly rows: number;
  readonly columns: number;
  /** Share of the whole from which a fractional segmentation's pixel is inside; null for other types. */
  readonly threshold: number | null;
  /** Those that have pixels inside, frame after frame. */
  readonly rasters: readonly SegmentRaster[];
  /** Frames with inside pixels that may be of several structures and are used for none of them. */
  readonly lost: readonly LostFrame[];
  /** Of each raster its runs: places [start, end) in row-major order, start and end in turn. */
  readonly runs: Uint32Array;
}

/** Gathers a segmentation's pixels frame after frame. */
export class SegmentRasters {
  readonly #header: SegmentationHeader;
  readonly #threshold: number;
  readonly #problems = new ProblemList();
  readonly #rasters: SegmentRaster[] = [];
  readonly #lost: LostFrame[] = [];
  readonly #doubtful: ReadonlyMap<number, readonly string[]>;
  readonly #parts: Uint32Array[] = [];
  readonly #places: ReadonlyMap<number, number>;
  /** Segments with a frame that has pixels over 0, of which none reaches the threshold. */
  readonly #faint = new Set<number>();
  #length = 0;

  /** `fraction`: share of MaximumFractionalValue from which a pixel is inside. */
  constructor(header: SegmentationHeader, fraction: number) {
    this.#header = header;
    this.#threshold = header.type === 'fractional' ? fraction * header.whole : 1;
    this.#doubtful = new Map(header.doubtful.map(({ number, structures }) => [number, structures]));
    this.#places = new Map(header.segments.map(({ number }, place) => [number, place]));
  }

  /** Bytes of all runs so far. */
  get sizeBytes(): number {
    return 4 * this.#length;
  }

  /** Adds a frame's stored values in row-major order. */
  addValues(frame: number, values: ArrayLike<number>): void {
    const { type, padding, unnumbered } = this.#header;
    if (type !== 'labelmap') {
      const runs = runsAtLeast(values, this.#threshold);
      const { segment } = this.#header.frames[frame] as SegmentFrame;
      if (segment !== null && runs.length === 0 && hasMore(values, 0)) this.#faint.add(segment);
      this.addRuns(frame, runs);
      return;
    }
    for (const [value, runs] of runsByValue(values)) {
      const segment = this.#places.get(value);
      const structures = this.#doubtful.get(value);
      if (structures) this.#lost.push({ frame, structures, code: 'SEGMENT_NUMBER_TWICE' });
      if (segment !== undefined) this.#add(frame, segment, runs);
      else if (value !== 0 && value !== padding) {
        this.#problems.add(
          'SEGMENT_UNKNOWN',
          'frame',
          frame + 1,
          'pixels of a segment that is not defined; left out',
        );
        if (!structures && unnumbered.length > 0)
          this.#lost.push({ frame, structures: unnumbered, code: 'SEGMENT_UNKNOWN' });
      }
    }
  }

  /** Adds the pixels inside of a frame that shows one segment. */
  addRuns(frame: number, runs: Uint32Array): void {
    const { segment, doubtful } = this.#header.frames[frame] as SegmentFrame;
    if (segment !== null) this.#add(frame, segment, runs);
    else if (doubtful && runs.length > 0) this.#lost.push({ frame, ...doubtful });
  }

  finish(): Pick<Segmentation, 'rasters' | 'lost' | 'runs' | 'problems'> {
    const runs = new Uint32Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      runs.set(part, at);
      at += part.length;
    }
    const solid = new Set(this.#rasters.map(({ segment }) => segment));
    for (const segment of this.#faint)
      if (!solid.has(segment))
        this.#problems.add(
          'SEGMENT_BELOW_THRESHOLD',
          'segment',
          this.#header.segments[segment]!.item,
          'no pixel of it reaches SLICEFEED_SEGMENT_THRESHOLD of MaximumFractionalValue; left out',
        );
    return { rasters: this.#rasters, lost: this.#lost, runs, problems: this.#problems.list };
  }

  #add(frame: number, segment: number, runs: Uint32Array): void {
    if (runs.length === 0) return;
    this.#rasters.push({ segment, frame, first: this.#length / 2, count: runs.length / 2 });
    this.#parts.push(runs);
    this.#length += runs.length;
  }
}

function hasMore(values: ArrayLike<number>, than: number): boolean {
  for (let i = 0; i < values.length; i++) if (values[i]! > than) return true;
  return false;
}
