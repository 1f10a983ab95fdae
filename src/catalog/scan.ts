import type { BaseLogger } from 'pino';
import { guardedSizeBytes } from '../core/guard.js';
import type { StudyId } from '../core/ids.js';
import type { LinkTable } from '../core/link-table.js';
import { kindOf, type Pairing, pairFiles } from '../core/pairing.js';
import type { Problem } from '../core/problem.js';
import type { FoundFile, StudyFiles } from '../core/study-files.js';
import { SEGMENT_FRACTION } from '../loader/limits.js';
import type { ScanFinding, ScanUnit } from '../loader/messages.js';
import { sha256 } from '../sha256.js';
import { type WalkFault, walkFolder } from '../sources/folder.js';
import { type Database, prepare, transact } from '../sqlite.js';
import { writeSources } from './contour-sources.js';
import { describeStudy } from './describe.js';
import { imagesDrawnOn } from './drawn-on.js';
import { FileTable } from './files.js';
import { leftProblems, linkTables } from './loose-files.js';
import { writeProblems } from './problems.js';
import { writeRevision } from './revision.js';
import type { PlaceFile, ReadFiles, ScanLoaders } from './scan-loaders.js';
import { scanTasks } from './scan-tasks.js';
import { writeLearned } from './slices.js';
import { othersTurn } from './turns.js';
import { lostTexts, withUnread } from './unread-files.js';
import { findUpload } from './upload-records.js';

/** How far a scan is. */
export interface ScanProgress {
  state: 'walking' | 'reading' | 'writing' | 'done' | 'failed';
  files: number;
  toRead: number;
  read: number;
  studies: number;
}

/** What a scan changed, in studies. */
export interface ScanResult {
  readonly changed: number;
  readonly added: number;
  readonly removed: number;
}

/** Up to this size a scan reads the pixels too: one read more, and from then on a touch is told from a change. */
const WHOLE_FILE_BYTES = 256 * 1024;
/** Studies that are looked at in a row before others get their turn. */
const UNCHANGED_PER_TURN = 100;

/** How a scan reads what it finds. */
export interface ScanOptions {
  /** New images of up to this size are read whole. */
  readonly wholeFileBytes: number;
  /** How far off an image's plane, in mm, a contour that names no image may lie. */
  readonly planeToleranceMm: number;
  /** Share of the whole from which loaders take a pixel of a fractional segmentation to be inside. */
  readonly segmentFraction: number;
  /** Folders, relative to the root, that are no part of the data: the service's own. */
  readonly without: readonly string[];
}

export const SCAN_DEFAULTS: ScanOptions = {
  wholeFileBytes: WHOLE_FILE_BYTES,
  planeToleranceMm: 0.1,
  segmentFraction: SEGMENT_FRACTION,
  without: [],
};

/** The files of a folder as they were read, and the studies that they form. */
export interface FoundStudies {
  readonly files: FileTable;
  /** The guard of each file, by path. */
  readonly guards: ReadonlyMap<string, string>;
  readonly found: readonly FoundFile[];
  readonly tables: ReadonlyMap<string, LinkTable | null>;
  readonly pairing: Pairing;
  /** Problems of files and folders, without those of files that belong to no study. */
  readonly loose: Problem[];
  readonly place: PlaceFile;
}

/**
 * Reads the files of a folder that changed since the catalogue last read it, and groups all its files into
 * studies.
 */
export async function findStudies(
  db: Database,
  root: string,
  loaders: ScanLoaders,
  progress: ScanProgress,
  options: ScanOptions,
): Promise<FoundStudies> {
  progress.state = 'walking';
  const guards = new Map<string, string>();
  const faults: WalkFault[] = [];
  for await (const lot of walkFolder(root, faults, options.without)) {
    for (const { path, guard } of lot) guards.set(path, guard);
    progress.files = guards.size;
  }
  const files = new FileTable(db);
  const lost = lostTexts(faults);
  files.put(lost);
  for (const { path, guard } of lost) guards.set(path, guard);
  progress.state = 'reading';
  await readChanged(db, root, guards, files, loaders.scan, progress, options);
  progress.state = 'writing';
  files.forgetAllBut(guards);
  const texts = new Set(lost.map(({ path }) => path));
  const loose: Problem[] = faults
    .filter(({ path }) => !texts.has(path))
    .map(({ code, path, detail }) => ({ code, file: path, detail }));
  const found = files.found();
  const place: PlaceFile = (path, type, wanted, images) => {
    const guard = guards.get(path)!;
    const unit = { path, type, wanted, guard, sizeBytes: guardedSizeBytes(guard) };
    return loaders.place(root, unit, images, options.planeToleranceMm);
  };
  const drawnOn = await imagesDrawnOn(found, files, place, loose);
  const tables = linkTables(found, files, loose);
  const paired = pairFiles(found, tables, sha256, drawnOn);
  const pairing = { ...paired, studies: withUnread(paired, faults, files) };
  for (const problem of pairing.problems) loose.push(problem);
  return { files, guards, found, tables, pairing, loose, place };
}

/**
 * Scans a data folder and updates the catalogue: reads the files that changed since the last scan, gives each
 * changed study a new revision, and keeps old revisions for the snapshots that need them.
 */
export async function scanFolder(
  db: Database,
  root: string,
  loaders: ScanLoaders,
  progress: ScanProgress,
  log: Pick<BaseLogger, 'debug' | 'info' | 'warn'>,
  options: ScanOptions = SCAN_DEFAULTS,
): Promise<ScanResult> {
  const studies = await findStudies(db, root, loaders, progress, options);
  const { files, guards, found, pairing, loose, place } = studies;
  for (const problem of leftProblems(pairing.left, files)) loose.push(problem);
  if (!found.some(({ kind }) => kind === 'image')) tellNoImages(found.length, loose, log);
  const before = scannedStudies(db);
  const odd = new OddStudies(log);
  const result = { changed: 0, added: 0, removed: 0 };
  for (const [at, study] of pairing.studies.entries()) {
    const content = contentOf(study, guards, options);
    const known = before.get(study.id);
    if (known?.content === content) {
      before.delete(study.id);
      progress.studies++;
      if (at % UNCHANGED_PER_TURN === 0) await othersTurn();
      continue;
    }
    const described = await describeStudy(study, files, place);
    const { slices, patients, isUnread, sources, problems } = described;
    if (slices.length === 0 && problems.length === 0) continue;
    const isTaken = () => findUpload(db, study.id) !== null;
    const revision = isTaken() ? null : await writeRevision(db, { id: study.id, patients, slices, isUnread });
    // An upload may take the id while this one is written.
    if (revision === null || isTaken()) {
      loose.push({
        code: 'STUDY_TWICE',
        file: study.images[0]?.path ?? null,
        detail: 'a study of its id was uploaded; that one is used',
      });
      continue;
    }
    before.delete(study.id);
    if (known === undefined) result.added++;
    else if (known.revision !== revision) result.changed++;
    transact(db, () => {
      prepare(db, 'INSERT OR REPLACE INTO study (id, revision, content) VALUES (?, ?, ?)').run(
        study.id,
        revision,
        content,
      );
      writeProblems(db, study.id, problems);
      writeSources(db, study.id, sources);
    });
    if (problems.length > 0) odd.add(study.id, problems);
    progress.studies++;
  }
  transact(db, () => {
    for (const gone of before.keys()) {
      prepare(db, 'DELETE FROM study WHERE id = ?').run(gone);
      writeProblems(db, gone, []);
      writeSources(db, gone, []);
      result.removed++;
    }
    writeProblems(db, '', loose);
  });
  odd.end();
  // No path is in the log: a folder may be called after a person.
  if (loose.length > 0)
    log.warn({ problems: loose.length, codes: codesOf(loose) }, 'there are problems that belong to no study');
  progress.state = 'done';
  return result;
}

/** An empty folder is often a mount that failed or another folder than was meant. */
function tellNoImages(files: number, loose: Problem[], log: Pick<BaseLogger, 'warn'>): void {
  log.warn({ files }, 'no image was found below the data folder');
  loose.push({
    code: 'NO_IMAGES',
    file: null,
    detail: `no image was found below the data folder, which has ${files} file(s): check that it is the right one, and that it is mounted`,
  });
}

/** Studies with problems that have a line each in the log; a scan that finds more counts the rest. */
const ODD_STUDIES_TOLD = 20;

/** Logs the studies of a scan that have problems. */
class OddStudies {
  readonly #log: Pick<BaseLogger, 'debug' | 'warn'>;
  #studies = 0;
  #counts: Record<string, number> = {};

  constructor(log: Pick<BaseLogger, 'debug' | 'warn'>) {
    this.#log = log;
  }

  add(study: StudyId, problems: readonly Problem[]): void {
    const fields = { study, problems: problems.length, codes: codesOf(problems) };
    if (++this.#studies <= ODD_STUDIES_TOLD) this.#log.warn(fields, 'the study has problems');
    else this.#log.debug(fields, 'the study has problems');
    for (const { code } of problems) this.#counts[code] = (this.#counts[code] ?? 0) + 1;
  }

  end(): void {
    if (this.#studies <= ODD_STUDIES_TOLD) return;
    this.#log.warn({ studies: this.#studies, codes: this.#counts }, 'many studies have problems');
  }
}

interface ScannedStudy {
  readonly revision: number;
  readonly content: string | null;
}

/** The present studies that scans found, as the last one left them. */
function scannedStudies(db: Database): Map<StudyId, ScannedStudy> {
  const rows = prepare(
    db,
    'SELECT id, revision, content FROM study WHERE id NOT IN (SELECT study FROM upload)',
  ).all() as unknown as (ScannedStudy & { readonly id: string })[];
  return new Map(rows.map(({ id, revision, content }) => [id as StudyId, { revision, content }]));
}

/** Names what a study is made of; as long as it stays the same, so do its slices and its problems. */
function contentOf(
  study: StudyFiles,
  guards: ReadonlyMap<string, string>,
  { planeToleranceMm, segmentFraction }: ScanOptions,
): string {
  const { images, contours, objects } = study;
  const paths = [...images.map(({ path }) => path), ...contours.map(({ path }) => path), ...objects];
  const files = paths.map((path) => guards.get(path) ?? null);
  return sha256(JSON.stringify([study, files, planeToleranceMm, segmentFraction]));
}

/** Reads the files that are new or whose guard differs; a small image, or one that was there before, with its pixels' checksums. */
async function readChanged(
  db: Database,
  root: string,
  guards: ReadonlyMap<string, string>,
  files: FileTable,
  readFiles: ReadFiles,
  progress: ScanProgress,
  { wholeFileBytes, segmentFraction }: ScanOptions,
): Promise<void> {
  const units: ScanUnit[] = [];
  const known = files.guards();
  const otherwise = files.readOtherwise(segmentFraction);
  const seen = prepare(db, 'SELECT 1 FROM slice WHERE path = ? LIMIT 1');
  for (const [path, guard] of guards) {
    if (known.get(path) === guard && !otherwise.has(path)) continue;
    const kind = kindOf(path);
    const sizeBytes = guardedSizeBytes(guard);
    const isSmall = sizeBytes <= wholeFileBytes;
    const withChecksums = kind === 'image' && (isSmall || seen.get(path) !== undefined);
    units.push({ path, kind, sizeBytes, withChecksums });
  }
  progress.toRead = units.length;
  const parts = scanTasks(units);
  const worker = async () => {
    for (let part = parts.shift(); part; part = parts.shift()) {
      const findings = await readFiles(root, part);
      files.put(
        part.map(({ path }, at) => {
          const finding = findings[at]!;
          return { path, guard: guards.get(path)!, finding, generations: generationsOf(db, path, finding) };
        }),
      );
      progress.read += part.length;
    }
  };
  // More parts in flight than loaders, so that none waits for the next; few enough that findings don't pile up.
  await Promise.all(Array.from({ length: 16 }, worker));
}

/**
 * For each frame of an image that was there before, what tells its pixels from earlier ones under the same header: nothing new where
 * they are known to be equal, or where no snapshot stands on the earlier ones and nobody ever read them.
 */
function generationsOf(db: Database, path: string, finding: ScanFinding): (number | null)[] | null {
  if (finding.kind !== 'image' || finding.checksums === null) return null;
  writeLearned(db);
  const rows = prepare(
    db,
    `SELECT frame, checksum, generation,
         EXISTS (SELECT 1 FROM snapshot_study s WHERE s.revision = slice.revision) AS held
       FROM slice WHERE path = ? AND header_digest = ?`,
  ).all(path, finding.headerDigest) as {
    frame: number;
    checksum: number | null;
    generation: number | null;
    held: number;
  }[];
  const byFrame = new Map<number, typeof rows>();
  for (const row of rows) byFrame.set(row.frame, [...(byFrame.get(row.frame) ?? []), row]);
  return finding.checksums.map((checksum, frame) => {
    const earlier = byFrame.get(frame) ?? [];
    const same = earlier.find((row) => row.checksum === checksum);
    if (same) return same.generation;
    if (earlier.every((row) => row.checksum === null && row.held === 0))
      return earlier[0]?.generation ?? null;
    return checksum;
  });
}

function codesOf(problems: readonly Problem[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of problems) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}
