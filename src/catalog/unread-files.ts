import { contourName } from '../core/contour-name.js';
import { kindOf, type Pairing } from '../core/pairing.js';
import { byCodeUnit, emplace, type StudyFiles } from '../core/study-files.js';
import type { WalkFault } from '../sources/folder.js';
import type { FileFinding, FoundFiles } from './files.js';

/**
 * Returns the faults of a walk that stand in the place of a contour text, as what was found of these texts:
 * their names say which image and structure they are of.
 */
export function lostTexts(faults: readonly WalkFault[]): FileFinding[] {
  return faults
    .filter(({ code, path }) => code === 'FILE_UNREADABLE' && contourName(path) !== null)
    .map(({ code, path, detail }) => ({
      path,
      guard: '',
      finding: { kind: 'refused', code, detail, object: null },
      generations: null,
    }));
}

/** A folder that a file system keeps for itself, with nobody's files. */
const OWN_FOLDER = /(^|\/)lost\+found$/;

/**
 * Gives each study the unreadable files and folders that may hold contours of it and name no study. Such a
 * file may be of every study that has images in its folder or below; if none has, the folder above counts,
 * and the ones above that.
 */
export function withUnread(
  { studies, left }: Pick<Pairing, 'studies' | 'left'>,
  faults: readonly WalkFault[],
  files: FoundFiles,
): readonly StudyFiles[] {
  const unread = [
    ...faults.filter(({ code }) => code !== 'FOLDER_TWICE').map(({ path }) => path),
    ...left.filter((path) => mayHoldContours(path, files)),
  ].filter((path) => kindOf(path) === 'image' && !OWN_FOLDER.test(path));
  if (unread.length === 0) return studies;
  const below = new Map<string, Set<StudyFiles>>();
  for (const study of studies) {
    const folders = new Set(study.images.map(({ path }) => above(path)));
    for (const first of folders)
      for (let folder: string | null = first; folder !== null; folder = folder === '' ? null : above(folder))
        emplace(below, folder, () => new Set<StudyFiles>()).add(study);
  }
  const own = new Map<StudyFiles, string[]>();
  for (const path of unread) {
    let folder = above(path);
    while (folder !== '' && !below.has(folder)) folder = above(folder);
    for (const study of below.get(folder) ?? [])
      emplace(own, study, () => [...(study.unread ?? [])]).push(path);
  }
  return studies.map((study) => {
    const found = own.get(study);
    return found ? { ...study, unread: [...new Set(found)].sort(byCodeUnit) } : study;
  });
}

function above(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Whether a file in no study may be a structure set or segmentation that could not be read. */
function mayHoldContours(path: string, files: FoundFiles): boolean {
  const finding = files.get(path)?.finding;
  if (finding?.kind !== 'refused' || finding.code === 'NOT_DICOM') return false;
  return finding.object === null || finding.object.kind === 'RTSTRUCT' || finding.object.kind === 'SEG';
}
