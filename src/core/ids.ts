declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** One patient's images under one id: 1 to 64 of `A-Za-z0-9._-`. */
export type StudyId = Branded<string, 'StudyId'>;
/** One 2-D image of a study: 1 to 64 of `A-Za-z0-9._-`, unique in its study. */
export type SliceId = Branded<string, 'SliceId'>;
/** `STUDY/SLICE`. */
export type PairId = Branded<string, 'PairId'>;
/** A session's name: 1 to 64 of `A-Za-z0-9._-`. */
export type SessionId = Branded<string, 'SessionId'>;
/** The content digest that names a snapshot, lower-case hex. */
export type SnapshotDigest = Branded<string, 'SnapshotDigest'>;
/** The digest of the part of a spec that decides bytes, lower-case hex. */
export type SpecDigest = Branded<string, 'SpecDigest'>;

const ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Whether a text may stand as a study, slice or session id; `.` and `..` may not. */
export function isId(text: string): boolean {
  return ID.test(text) && text !== '.' && text !== '..';
}

export function pairId(study: StudyId, slice: SliceId): PairId {
  return `${study}/${slice}` as PairId;
}

/** A text as a study id where it can be one, else a stable id made of its hash; `hash` gives at least 16 hexadecimal digits. */
export function studyIdOf(text: string, hash: (text: string) => string): StudyId {
  return (isId(text) ? text : `study-${hash(text).slice(0, 16)}`) as StudyId;
}
