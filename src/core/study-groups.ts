import { byCodeUnit, emplace, type FoundFile } from './study-files.js';

/** What a file says of where it belongs: the study (`studyKey`), and the SHA-256 of its patient's id. */
export type Belonging = Pick<FoundFile, 'study' | 'patient'>;

/** The files of one study. */
export interface StudyGroup<File> {
  /** The study that all of them name. */
  readonly study: string;
  /**
   * Null where the study is of one patient. Where several patients share its StudyInstanceUID: whose files these are, `''` for
   * those that name no patient.
   */
  readonly apart: string | null;
  /** How many groups share the study. */
  readonly sharing: number;
  readonly files: readonly File[];
}

/**
 * Groups files by the study that they name, in order of the studies. Where files of several patients name one study, each patient's
 * are a group of their own, and so are those that name no patient; a file without a patient beside those of one patient alone belongs to
 * that patient. Files that name no study are in no group.
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

/** The SeriesInstanceUIDs that images of several groups of one study name: an object that names such a series alone may be of each. */
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
