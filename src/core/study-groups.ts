import { byCodeUnit, emplace, type FoundFile } from './study-files.js';

/** The study (`studyKey`) that a file names, and the SHA-256 of its patient's id. */
export type Belonging = Pick<FoundFile, 'study' | 'patient'>;

/** The files of one study. */
export interface StudyGroup<File> {
  /** The study that all of them name. */
  readonly study: string;
  /**
   * Null if the study has one patient. If several patients share its StudyInstanceUID: the patient of these
   * files, or `''` for files that name no patient.
   */
  readonly apart: string | null;
  /** The number of groups that share the study. */
  readonly sharing: number;
  readonly files: readonly File[];
}

/**
 * Groups files by the study that they name, in order of the studies. If files of several patients name one
 * study, the files of each patient are a group, and so are those without a patient. If a study has one
 * patient only, files without a patient belong to that patient. Files that name no study are in no group.
 */
export function groupByStudy<File extends Belonging>(files: readonly File[]): StudyGroup<File>[] {
  const studies = new Map<string, File[]>();
  for (const file of files) if (file.study !== null) emplace(studies, file.study, () => []).push(file);
  return [...studies]
    .sort(([a], [b]) => byCodeUnit(a, b))
    .flatMap(([study, all]): StudyGroup<File>[] => {
      const patients = new Map<string, File[]>();
      for (const file of all) emplace(patients, file.patient ?? '', () => []).push(file);
      const named = [...patients.keys()].filter((patient) => patient !== '');
      if (named.length <= 1) return [{ study, apart: null, sharing: 1, files: all }];
      return [...patients]
        .sort(([a], [b]) => byCodeUnit(a, b))
        .map(([apart, own]) => ({ study, apart, sharing: patients.size, files: own }));
    });
}

/**
 * Returns the SeriesInstanceUIDs that images of several groups of one study share: an object that names only
 * such a series may be of each group.
 */
export function sharedSeries(images: readonly FoundFile[]): ReadonlySet<string> {
  const ownerOf = new Map<string, StudyGroup<FoundFile>>();
  const shared = new Set<string>();
  for (const group of groupByStudy(images)) {
    if (group.apart === null) continue;
    for (const uid of group.files.flatMap(({ series }) => series)) {
      if (ownerOf.has(uid) && ownerOf.get(uid) !== group) shared.add(uid);
      ownerOf.set(uid, group);
    }
  }
  return shared;
}
