import { definedModality } from '../core/modalities.js';
import { emplace } from '../core/study-files.js';
import type { Database } from '../sqlite.js';
import { groupsOf } from './groups.js';

/** The slices of a series that are of one modality. */
export interface SeriesSlices {
  /** Its SeriesInstanceUID; null if it is none. */
  readonly series: string | null;
  /** Null if the file names none, or none that DICOM defines. */
  readonly modality: string | null;
  slices: number;
}

const UID = /^[0-9.]{1,64}$/;

/** Returns the series of these revisions with their modalities, in the order of their first slices. */
export function seriesOf(db: Database, revisions: readonly number[]): SeriesSlices[] {
  const found = new Map<string, SeriesSlices>();
  for (const revision of revisions)
    for (const { traits, ordinals } of groupsOf(db, revision)) {
      const series = UID.test(traits.series) ? traits.series : null;
      const modality = definedModality(traits.modality);
      emplace(found, `${series} ${modality}`, () => ({ series, modality, slices: 0 })).slices +=
        ordinals.length;
    }
  return [...found.values()];
}

/** Counts the slices of each modality, the most frequent one first; those without one are left out. */
export function modalityCounts(series: readonly SeriesSlices[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { modality, slices } of series)
    if (modality !== null) counts.set(modality, (counts.get(modality) ?? 0) + slices);
  return new Map([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}
