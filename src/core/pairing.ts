import { challengeRoots, pairChallenge } from './challenge-folder.js';
import { contourName } from './contour-name.js';
import type { DrawnOn } from './drawn-object.js';
import { pairExperts } from './expert-folder.js';
import { isId, type StudyId, studyIdOf } from './ids.js';
import { isLinkTable, type LinkTable } from './link-table.js';
import type { Problem } from './problem.js';
import {
  byCodeUnit,
  type Draft,
  type Drafts,
  emplace,
  type FoundFile,
  type ImageFile,
  type StudyFiles,
} from './study-files.js';

/** The studies of a source, and what belongs to none of them. */
export interface Pairing {
  readonly studies: readonly StudyFiles[];
  /** Files that belong to no study; what was found of each says why. */
  readonly left: readonly string[];
  readonly problems: readonly Problem[];
}

/** What a file is read as, told by its name: a link table, a contour; anything else may be DICOM, which its content says. */
export function kindOf(path: string): 'image' | 'contour' | 'table' {
  if (isLinkTable(path)) return 'table';
  return contourName(path) === null ? 'image' : 'contour';
}

/**
 * Names the study of a file: its StudyInstanceUID, else what holds a series together, else the patient. The latter two
 * start with `?`, and files that name nothing at all are one study.
 */
export function studyKey(file: { studyUid: string; seriesUid: string }, patient: string | null): string {
  return file.studyUid === '' ? `?${file.seriesUid || patient || ''}` : file.studyUid;
}

/**
 * Puts files together to studies: by the rules of the challenge's folders where those are, then by the folders of experts' contours, and
 * all other images by the study that they name. It depends on the files alone and not on their order. `tables` are the link tables
 * by path, null for one that could not be read; `hash` is a digest in hexadecimal digits; `drawnOn` are the images of objects that name no series
 * that is there.
 */
export function pairFiles(
  files: readonly FoundFile[],
  tables: ReadonlyMap<string, LinkTable | null>,
  hash: (text: string) => string,
  drawnOn: ReadonlyMap<string, DrawnOn> = new Map(),
): Pairing {
  let rest = [...files].sort((a, b) => byCodeUnit(a.path, b.path));
  const drafts: Draft[] = [];
  const problems: Problem[] = [];
  const take = (made: Drafts): void => {
    drafts.push(...made.studies);
    problems.push(...made.problems);
    if (made.claimed.size > 0) rest = rest.filter(({ path }) => !made.claimed.has(path));
  };
  for (const root of challengeRoots(rest)) take(pairChallenge(root, rest, tables));
  take(pairExperts(rest, tables, hash));
  const keyOf = new Map(files.map(({ path, study }) => [path, study]));
  const keysOf = (draft: Draft) =>
    [...new Set(draft.images.flatMap(({ path }) => keyOf.get(path) ?? []))].sort(byCodeUnit);
  drafts.push(...byStudy(rest));
  const seriesAt = new Map(files.map(({ path, series }) => [path, series]));
  const seriesOf = (draft: Draft) => [
    ...new Set(draft.images.flatMap(({ path }) => seriesAt.get(path) ?? [])),
  ];
  const { left, unclear } = attach(rest, drafts, keysOf, seriesOf, drawnOn);
  problems.push(...unclear);
  const studies: StudyFiles[] = [];
  const ids = new Set<StudyId>();
  for (const { name, ...draft } of drafts) {
    const keys = keysOf({ name, ...draft });
    const [key = ''] = keys;
    const wanted = name ?? (keys.length === 1 && isId(key) ? key : `?${keys.join(' ')}`);
    // Where two want one id, the second is told apart by what it holds.
    const others = [wanted, `?${wanted} ${keys.join(' ')}`, `?${wanted} ${keys.join(' ')} ${draft.rule}`];
    const id = others.map((text) => studyIdOf(text, hash)).find((each) => !ids.has(each));
    if (id === undefined) {
      const file = draft.images[0]?.path ?? null;
      problems.push({
        code: 'STUDY_TWICE',
        file,
        detail: `its ${draft.images.length} image(s) are left out`,
      });
      continue;
    }
    ids.add(id);
    studies.push({ ...draft, id });
  }
  return { studies, left, problems };
}

/** The images that no folder's rule took, by the study that they name. */
function byStudy(files: readonly FoundFile[]): Draft[] {
  const found = new Map<string, FoundFile[]>();
  for (const file of files)
    if (file.kind === 'image' && file.study !== null) emplace(found, file.study, () => []).push(file);
  return [...found.keys()].sort(byCodeUnit).map((key) => ({
    name: null,
    rule: 'geometry',
    images: found.get(key)!.map(({ path }) => ({ path, number: null })),
    contours: [],
    objects: [],
    problems: [],
  }));
}

/**
 * Gives objects with contours to the study of the images that they were drawn on: those of a series that they name, else those that they name one by
 * one, of several studies the one with most of them; and what else is no image, or none that can be used, to
 * the study that it names. Objects that still have none go where their planes are, if that is one study. Gives back those that name none of these, and a problem for each
 * that could belong to several.
 */
function attach(
  files: readonly FoundFile[],
  drafts: Draft[],
  keysOf: (draft: Draft) => readonly string[],
  seriesOf: (draft: Draft) => readonly string[],
  drawnOn: ReadonlyMap<string, DrawnOn>,
): { readonly left: string[]; readonly unclear: Problem[] } {
  const places = new Map<string, number>();
  const ofSeries = new Map<string, number>();
  drafts.forEach((draft, place) => {
    for (const key of keysOf(draft)) if (!places.has(key)) places.set(key, place);
    for (const uid of seriesOf(draft)) if (!ofSeries.has(uid)) ofSeries.set(uid, place);
  });
  const ofImage = drawnOn.size > 0 ? placesOfImages(drafts) : new Map<string, number>();
  const left: string[] = [];
  const unclear: Problem[] = [];
  const refused = new Map<number, ImageFile[]>();
  for (const { path, kind, study, series } of files) {
    if (kind === 'image') continue;
    const drawn = drawnOn.get(path);
    const among = drawn ? studiesOf(drawn, ofImage) : [];
    const bySeries = series.find((uid) => ofSeries.has(uid));
    const candidates =
      bySeries !== undefined
        ? [ofSeries.get(bySeries)!]
        : drawn?.by === 'name' && among.length > 0
          ? among
          : places.has(study ?? '')
            ? [places.get(study ?? '')!]
            : among;
    const [place, ...others] = candidates;
    if (place === undefined) left.push(path);
    else if (others.length > 0)
      unclear.push({
        code: 'CONTOUR_AMBIGUOUS',
        file: path,
        detail: `it was drawn on images of ${candidates.length} studies alike; left out`,
      });
    else if (kind === 'object') drafts[place]!.objects.push(path);
    else emplace(refused, place, () => []).push({ path, number: null });
  }
  for (const [place, images] of refused) {
    const draft = drafts[place]!;
    drafts[place] = { ...draft, images: [...draft.images, ...images] };
  }
  return { left, unclear };
}

function placesOfImages(drafts: readonly Draft[]): Map<string, number> {
  return new Map(
    drafts.flatMap(({ images }, place) => images.map(({ path }): [string, number] => [path, place])),
  );
}

/** The studies that an object's images are of; of named ones those alone that have most of them. */
function studiesOf({ by, images }: DrawnOn, ofImage: ReadonlyMap<string, number>): number[] {
  const counts = new Map<number, number>();
  for (const path of images) {
    const place = ofImage.get(path);
    if (place !== undefined) counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const most = Math.max(...counts.values());
  return [...counts].filter(([, count]) => by === 'plane' || count === most).map(([place]) => place);
}
