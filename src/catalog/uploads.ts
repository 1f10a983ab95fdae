import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BaseLogger } from 'pino';
import type { StudyId } from '../core/ids.js';
import type { Problem } from '../core/problem.js';
import { SlfError } from '../errors.js';
import { type FilePlace, uploadedPath } from '../sources/place.js';
import { type Staging, StagingArea, type UploadLimits } from '../sources/staging.js';
import { KeptUploads, type Manifest, uploadDigest } from '../sources/upload.js';
import { type Database, prepare } from '../sqlite.js';
import { revisionDigest, writeRevision } from './revision.js';
import { othersTurn } from './turns.js';
import {
  readKept,
  readUpload,
  type UploadContent,
  type UploadedStudy,
  type UploadLoaders,
} from './upload-content.js';
import {
  dropRevisions,
  findUpload,
  forgetUpload,
  isPresentContent,
  listUploads,
  recordUpload,
  type UploadRecord,
} from './upload-records.js';

export interface UploadsOptions {
  readonly db: Database;
  readonly folders: { readonly incoming: string; readonly kept: string };
  readonly limits: UploadLimits;
  /** Uploads that may be under way at a time. */
  readonly atOnce: number;
  readonly loaders: UploadLoaders;
  /** Told of each file of an uploaded study that is removed. */
  readonly onGone: (place: FilePlace) => void;
  /** How far off an image's plane, in mm, a contour that names no image may lie. */
  readonly planeToleranceMm: number;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
}

const FILES_PER_TURN = 20;

/** What callers send: on its way, read, kept as a study, and taken away again. */
export class Uploads {
  readonly limits: UploadLimits;
  #options: UploadsOptions;
  #area: StagingArea;
  #kept: KeptUploads;
  #underWay = new Set<Promise<unknown>>();
  #placesTaken = 0;
  #closing = false;
  #line: Promise<unknown> = Promise.resolve();

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.#area = new StagingArea(options.folders.incoming, options.limits);
    this.#kept = new KeptUploads(options.folders.kept);
  }

  /**
   * Gives an upload a folder and one of the places while `work` runs, then removes the rest of the folder
   * whatever happened. `work` may call `freePlace` to give the place back early. Throws `SlfError` if no
   * place is free.
   */
  async withStaging<T>(
    durable: boolean,
    work: (staging: Staging, freePlace: () => void) => Promise<T>,
  ): Promise<T> {
    const { atOnce } = this.#options;
    if (this.#closing) throw new SlfError('SLF_CLOSING', 'send it again when the service is back');
    if (this.#placesTaken >= atOnce)
      throw new SlfError('SLF_UPLOADS_BUSY', `${atOnce} uploads are under way: send it again later`, {
        retryAfterS: 5,
      });
    let places = 1;
    const freePlace = () => {
      this.#placesTaken -= places;
      places = 0;
    };
    this.#placesTaken += places;
    const whole = this.#stage(durable, (staging) => work(staging, freePlace));
    this.#underWay.add(whole);
    try {
      return await whole;
    } finally {
      this.#underWay.delete(whole);
      freePlace();
    }
  }

  /** Uploads that hold a place. */
  get underWay(): number {
    return this.#placesTaken;
  }

  /** Takes no more uploads and waits for those under way. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.allSettled(this.#underWay);
    await this.#line;
  }

  /** Reads all files of an upload in loader children and pairs them. Throws `UploadRefused`. */
  read(staging: Staging, signal: AbortSignal): Promise<UploadContent> {
    const { loaders, planeToleranceMm } = this.#options;
    return readUpload(staging, loaders, planeToleranceMm, signal);
  }

  /**
   * Keeps an upload as a study, under the id asked for or one made of its content. `created` is false where a study of that id has the
   * same content already. Throws `SlfError` where it has another.
   */
  commit(
    staging: Staging,
    study: UploadedStudy,
    problems: readonly Problem[],
    wanted: StudyId | null,
  ): Promise<{ readonly study: StudyId; readonly created: boolean }> {
    return this.#inTurn(async () => {
      const { db } = this.#options;
      const { files } = staging;
      const digest = uploadDigest(files);
      const id = wanted ?? (`upload-${digest.slice(0, 16)}` as StudyId);
      if (this.#isThere(id, digest, study)) return { study: id, created: false };
      const record = { study: id, key: basename(staging.folder), digest };
      await staging.settled();
      await this.#kept.prepare(staging.folder, { study: id, digest, files });
      const revision = await this.#write(record, study, files);
      // From here on nothing else takes its turn until the study is there: no scan takes its id, nothing prunes its revision.
      if (prepare(db, 'SELECT 1 FROM study WHERE id = ?').get(id)) throw taken(id);
      this.#kept.commit(staging.folder, record.key);
      try {
        recordUpload(db, record, revision, { problems, sources: study.sources });
      } catch (error) {
        this.#kept.withdraw(record.key, staging.folder);
        throw error;
      }
      await this.#kept.sync();
      return { study: id, created: true };
    });
  }

  /** Gives what is recorded of an uploaded study. Throws `SlfError` for one of the data folder. */
  checkUploaded(study: StudyId): UploadRecord {
    const record = findUpload(this.#options.db, study);
    if (record) return record;
    throw new SlfError(
      'SLF_STUDY_IN_FOLDER',
      'it lies in the data folder: remove its files there, then POST /v1/scan',
    );
  }

  /** Removes an uploaded study, its files with it. Throws `SlfError` for one that was not uploaded. */
  remove(study: StudyId): Promise<void> {
    const { db } = this.#options;
    const record = this.checkUploaded(study);
    const withdrawn = join(this.#area.folder, `${record.key}-${randomBytes(4).toString('hex')}`);
    this.#kept.withdraw(record.key, withdrawn);
    try {
      forgetUpload(db, study);
    } catch (error) {
      this.#kept.commit(withdrawn, record.key);
      throw error;
    }
    return this.#inTurn(async () => {
      await this.#kept.sync();
      await this.#clear(withdrawn, record.key);
      await dropRevisions(db, study);
    });
  }

  /**
   * Brings the catalogue up to the uploads that are kept: one that a stop came before is read again, one whose folder is gone is
   * forgotten. Answers how many of each.
   */
  resync(): Promise<{ readonly added: number; readonly removed: number }> {
    return this.#inTurn(async () => {
      const { db, log } = this.#options;
      const keys = new Set(await this.#kept.keys());
      const known = new Set<string>();
      let removed = 0;
      for (const { study, key } of listUploads(db)) {
        known.add(key);
        if (keys.has(key)) continue;
        log.warn({ study }, 'the files of an uploaded study are gone: it is left out');
        forgetUpload(db, study);
        removed++;
      }
      let added = 0;
      for (const key of keys) if (!known.has(key) && (await this.#restore(key))) added++;
      return { added, removed };
    });
  }

  async #stage<T>(durable: boolean, work: (staging: Staging) => Promise<T>): Promise<T> {
    const staging = await this.#area.begin(durable);
    try {
      return await work(staging);
    } finally {
      await staging.remove().catch((error) => this.#notRemoved(error));
    }
  }

  /** Removes the files of an upload that was withdrawn, and what was made of them. */
  async #clear(withdrawn: string, key: string): Promise<void> {
    const { folders, onGone } = this.#options;
    try {
      const names = await readdir(withdrawn);
      for (const [at, name] of names.entries()) {
        onGone({ root: folders.kept, path: `${key}/${name}` });
        if (at % FILES_PER_TURN === 0) await othersTurn();
      }
      await rm(withdrawn, { recursive: true, force: true });
    } catch (error) {
      this.#notRemoved(error as NodeJS.ErrnoException);
    }
  }

  #notRemoved({ code }: NodeJS.ErrnoException): void {
    this.#options.log.error({ code }, 'what was left of an upload could not be removed; the next start does');
  }

  async #restore(key: string): Promise<boolean> {
    const { db, loaders, planeToleranceMm, log } = this.#options;
    try {
      const { study: id, digest, files } = await this.#kept.manifest(key);
      if (prepare(db, 'SELECT 1 FROM study WHERE id = ?').get(id))
        throw new Unreadable('another study has its id by now');
      const content = await readKept(this.#kept.pathOf(key), files, loaders, planeToleranceMm);
      const [study] = content.studies;
      if (!study) throw new Unreadable('none of its files is an image any more');
      const record = { study: id, key, digest };
      const revision = await this.#write(record, study, files);
      recordUpload(db, record, revision, { problems: problemsOf(content), sources: study.sources });
      return true;
    } catch (error) {
      // The study was deleted after this rescan had begun and before it came to the study.
      if (!existsSync(this.#kept.pathOf(key))) return false;
      log.error({ upload: key, reason: reasonOf(error) }, 'a kept upload cannot be read: it is left out');
      return false;
    }
  }

  /** Whether a study of this id has the same content. Throws `SlfError` where it has another. */
  #isThere(id: StudyId, digest: string, study: UploadedStudy): boolean {
    const { db } = this.#options;
    const upload = findUpload(db, id);
    if (upload) {
      if (upload.digest === digest) return true;
      throw taken(id);
    }
    const present = prepare(
      db,
      'SELECT r.digest FROM study s JOIN revision r ON r.id = s.revision WHERE s.id = ?',
    ).get(id) as { digest: string } | undefined;
    if (!present) return false;
    // One of the data folder: its files' bytes are not known as a whole, but what counts of them is.
    const isSame =
      present.digest === revisionDigest({ ...study, id }) && isPresentContent(db, id, study.slices);
    if (isSame) return true;
    throw taken(id);
  }

  async #write(
    { study: id, key }: UploadRecord,
    { patients, slices, isUnread }: UploadedStudy,
    files: Manifest['files'],
  ): Promise<number> {
    const { db } = this.#options;
    const numbers = new Map(files.map(({ name, number }) => [name, number]));
    const placed = slices.map((slice) => ({
      ...slice,
      path: uploadedPath(key, numbers.get(slice.path)!, slice.path),
    }));
    return writeRevision(db, { id, patients, slices: placed, isUnread });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#line.then(work);
    this.#line = turn.catch(() => {});
    return turn;
  }
}

/** A kept upload that cannot be a study. */
class Unreadable extends Error {}

/** Why a kept upload was left out; other errors may quote its names. */
function reasonOf(error: unknown): string {
  if (error instanceof Unreadable) return error.message;
  return (error as NodeJS.ErrnoException).code ?? 'its manifest or a file of it cannot be read';
}

/** Every problem of an upload of one study. */
export function problemsOf({ studies, problems }: UploadContent): Problem[] {
  return [...studies.flatMap((study) => study.problems), ...problems];
}

function taken(id: StudyId): SlfError {
  return new SlfError(
    'SLF_STUDY_TAKEN',
    `the study ${id} has other content: send this one under another ?id=, or delete that one first`,
    { field: 'id' },
  );
}
