import { challengeRoots, pairChallenge } from './challenge-folder.js';
import { contourName } from './contour-name.js';
import type { DrawnOn } from './drawn-object.js';
import { pairExperts } from './expert-folder.js';
import { isId, type StudyId, studyIdOf } from './ids.js';
import { isLinkTable, type LinkTable } from './link-table.js';
import { appendAll, largestOf } from './long-lists.js';
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
import { groupByStudy } from './study-groups.js';

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
    appendAll(drafts, made.studies);
    appendAll(problems, made.problems);
    if (made.claimed.size > 0) rest = rest.filter(({ path }) => !made.claimed.has(path));
  };
  for (const root of challengeRoots(rest)) take(pairChallenge(root, rest, tables));
  take(pairExperts(rest, tables, hash));
  const keyOf = new Map(files.map(({ path, study }) => [path, study]));
  const keysOf = (draft: Draft) =>
    [...new Set(draft.images.flatMap(({ path }) => keyOf.get(path) ?? []))].sort(byCodeUnit);
  appendAll(drafts, byStudy(rest));
  const seriesAt = new Map(files.map(({ path, series }) => [path, series]));
  const seriesOf = (draft: Draft) => [
    ...new Set(draft.images.flatMap(({ path }) => seriesAt.get(path) ?? [])),
  ];
  const { left, unclear } = attach(rest, drafts, keysOf, seriesOf, drawnOn);
  appendAll(problems, unclear);
  const studies: StudyFiles[] = [];
  const ids = new Set<StudyId>();
  const patientAt = new Map(files.map(({ path, patient }) => [path, patient]));
  for (const draft of drafts) {
    const { name, apart, ...content } = draft;
    const keys = keysOf(draft);
    const [key = ''] = keys;
    const own =
      keys.length === 1 && apart === null && isId(key) ? key : `?${[...keys, apart ?? []].join(' ')}`;
    const wanted = name ?? own;
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
    studies.push({ ...content, problems: [...patientProblems(draft, patientAt), ...draft.problems], id });
  }
  return { studies, left, problems };
}

/** The images that no folder's rule took, by the study that they name and by patient. */
function byStudy(files: readonly FoundFile[]): Draft[] {
  return groupByStudy(files.filter(({ kind }) => kind === 'image')).map(({ apart, files: own }) => ({
    name: null,
    apart,
    rule: 'geometry',
    images: own.map(({ path }) => ({ path, number: null })),
    contours: [],
    objects: [],
    problems: [],
  }));
}

/**
 * Reports patients that share a study: by its StudyInstanceUID, which then stands for several studies, or in
 * a folder, which stays one study.
 */
function patientProblems({ apart, images }: Draft, patientAt: ReadonlyMap<string, string | null>): Problem[] {
  const file = images[0]?.path ?? null;
  const told = (detail: string): Problem[] => [{ code: 'PATIENTS_MIXED', file, detail }];
  if (apart !== null) {
    const whose = apart === '' ? 'images that name no patient' : "one patient's images";
    return told(
      `several patients share its StudyInstanceUID; this study has ${whose}, the others are studies of their own`,
    );
  }
  const patients = new Set(images.flatMap(({ path }) => patientAt.get(path) ?? []));
  if (patients.size < 2) return [];
  return told(
    `its folder has images of ${patients.size} patients; a split keeps it with every other study of these patients`,
  );
}

/**
 * Gives objects with contours to the study of the images that they were drawn on: the images of a series that
 * they name, else the images that they name one by one; of several studies, the one with most of these
 * images. Other files that are no usable image go to the study that they name. Objects that still have no
 * study go where their planes are, if that is one study. If patients share what an object names, it goes to
 * its own patient's study. Returns the files that belong to no study, and a problem for each that could
 * belong to several.
 */
function attach(
  files: readonly FoundFile[],
  drafts: Draft[],
  keysOf: (draft: Draft) => readonly string[],
  seriesOf: (draft: Draft) => readonly string[],
  drawnOn: ReadonlyMap<string, DrawnOn>,
): { readonly left: string[]; readonly unclear: Problem[] } {
  const ofStudy = new Map<string, number[]>();
  const ofSeries = new Map<string, number[]>();
  // If patients share a study, each of its parts is kept; else the first one is.
  const keep = (places: number[], place: number) => {
    if (places.length === 0 || (drafts[place]!.apart !== null && drafts[places[0]!]!.apart !== null))
      places.push(place);
  };
  drafts.forEach((draft, place) => {
    for (const key of keysOf(draft))
      keep(
        emplace(ofStudy, key, () => []),
        place,
      );
    for (const uid of seriesOf(draft))
      keep(
        emplace(ofSeries, uid, () => []),
        place,
      );
  });
  const ofImage = drawnOn.size > 0 ? placesOfImages(drafts) : new Map<string, number>();
  const candidatesOf = ({ path, study, series, patient }: FoundFile): readonly number[] => {
    const drawn = drawnOn.get(path);
    const among = drawn ? studiesOf(drawn, ofImage) : [];
    const bySeries = series.flatMap((uid) => ofSeries.get(uid) ?? []);
    const [first] = bySeries;
    if (first !== undefined && drafts[first]!.apart === null) return [first];
    if (drawn?.by === 'name' && among.length > 0) return among;
    const alike = bySeries.length > 0 ? [...new Set(bySeries)] : (ofStudy.get(study ?? '') ?? []);
    if (alike.length === 0) return among;
    const own = alike.filter((place) => drafts[place]!.apart === patient);
    if (alike.length === 1 || own.length === 1) return alike.length === 1 ? alike : own;
    const near = alike.filter((place) => among.includes(place));
    return near.length > 0 ? near : alike;
  };
  const left: string[] = [];
  const unclear: Problem[] = [];
  const refused = new Map<number, ImageFile[]>();
  for (const file of files) {
    const { path, kind } = file;
    if (kind === 'image') continue;
    const candidates = candidatesOf(file);
    const [place, ...others] = candidates;
    if (place === undefined || (others.length > 0 && kind !== 'object')) left.push(path);
    else if (others.length > 0) {
      unclear.push({
        code: 'CONTOUR_AMBIGUOUS',
        file: path,
        detail: `it was drawn on images of ${candidates.length} studies alike; left out`,
      });
      for (const each of candidates) {
        const draft = drafts[each]!;
        drafts[each] = { ...draft, unread: [...(draft.unread ?? []), path] };
      }
    } else if (kind === 'object') drafts[place]!.objects.push(path);
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
  const most = largestOf(counts.values());
  return [...counts].filter(([, count]) => by === 'plane' || count === most).map(([place]) => place);
}
