import type { StudyId } from '../core/ids.js';
import type { LinkTable } from '../core/link-table.js';
import { appendAll } from '../core/long-lists.js';
import type { Problem } from '../core/problem.js';
import { layoutCount, pairUpload, type UploadedFile } from '../core/upload-pairing.js';
import type { ScanFinding, ScanUnit, Unpacked, UnpackUnit } from '../loader/messages.js';
import { sha256 } from '../sha256.js';
import { type StagedFile, type Staging, UploadRefused } from '../sources/staging.js';
import { describeStudy } from './describe.js';
import { imagesDrawnOn } from './drawn-on.js';
import { type FileFinding, type FoundFiles, pairingOf } from './files.js';
import { NO_IMAGE_OF_IT } from './loose-files.js';
import type { ContourSource } from './outlines.js';
import type { FoundSlice } from './revision.js';
import type { PlaceFile, ScanLoaders } from './scan-loaders.js';
import { scanTasks } from './scan-tasks.js';
import { othersTurn } from './turns.js';

/** Loader children, as far as uploads need them. */
export interface UploadLoaders extends ScanLoaders {
  unpack(unit: UnpackUnit): Promise<Unpacked>;
}

/** A study of an upload as it was read: slices in canonical order, their `path` being the name of the file. */
export interface UploadedStudy {
  readonly id: StudyId;
  readonly patients: readonly string[];
  readonly slices: readonly FoundSlice[];
  readonly isUnread: boolean;
  readonly sources: readonly ContourSource[];
  readonly problems: readonly Problem[];
}

/** What an upload holds. */
export interface UploadContent {
  readonly studies: readonly UploadedStudy[];
  /** Of files that belong to no study. */
  readonly problems: readonly Problem[];
  /** The hashes of all patients that its images name. */
  readonly patients: ReadonlySet<string | null>;
}

/** The study of files that lie in no folder of a layout. */
const LOOSE_STUDY = 'upload' as StudyId;

/** More data folders than an upload has reason to hold. */
const LAYOUTS = 100;
const TASKS_AT_ONCE = 4;
/** Larger files are read for their checksums when a session stands on them. */
const CHECKSUM_BYTES = 64 * 1024 * 1024;
/** A small zip of very even images may be packed better than the ratio allows. */
const RATIO_FROM_BYTES = 16 * 1024 * 1024;

/** Expands the zip of an upload where there is one, reads every file in loader children, and pairs them. Throws `UploadRefused`. */
export async function readUpload(
  staging: Staging,
  loaders: UploadLoaders,
  planeToleranceMm: number,
  signal?: AbortSignal,
): Promise<UploadContent> {
  const findings = new Map<string, ScanFinding>();
  await scanStaged(staging.folder, staging.files, findings, loaders, signal);
  const zips = zipsToExpand(staging.files, findings);
  if (zips.length > 1)
    throw new UploadRefused('zip', `the upload has ${zips.length} files named .zip: send one zip`);
  for (const zip of zips) {
    const unpacked = await unpackZip(staging, zip, loaders, signal);
    await staging.drop(zip);
    findings.delete(zip.name);
    staging.takeWritten(unpacked);
    await scanStaged(staging.folder, unpacked, findings, loaders, signal);
  }
  const place = placeStaged(staging.folder, staging.files, loaders, planeToleranceMm);
  return await describeUpload(staging.files, findings, place);
}

/** Zips named so, or a zip sent alone: many files that lie beside images are zips inside (.npz, .docx). */
function zipsToExpand(
  files: readonly StagedFile[],
  findings: ReadonlyMap<string, ScanFinding>,
): readonly StagedFile[] {
  const zips = files.filter(({ name }) => findings.get(name)?.kind === 'zip');
  return files.length === 1 ? zips : zips.filter(({ name }) => /\.zip$/i.test(name));
}

/** Pairs the files of an upload by what was read of them. */
async function describeUpload(
  files: readonly StagedFile[],
  findings: ReadonlyMap<string, ScanFinding>,
  place: PlaceFile,
): Promise<UploadContent> {
  const problems: Problem[] = [];
  const found: UploadedFile[] = [];
  const tables = new Map<string, LinkTable | null>();
  const patients = new Set<string | null>();
  for (const { name: path } of files) {
    const finding = findings.get(path)!;
    const instanceNumber = finding.kind === 'image' ? finding.header.instanceNumber : null;
    found.push({ path, instanceNumber, unusable: unusableOf(finding), ...pairingOf(finding) });
    if (finding.kind === 'image') patients.add(finding.patient);
    if (finding.kind !== 'table') continue;
    tables.set(path, finding.table);
    for (const { code, detail } of finding.table.problems) problems.push({ code, file: path, detail });
  }
  await othersTurn();
  if (layoutCount(found) > LAYOUTS)
    throw new UploadRefused('limit', `the upload has more than ${LAYOUTS} folders laid out as data folders`);
  const known: FoundFiles = {
    get(path): FileFinding | null {
      const finding = findings.get(path);
      if (!finding) return null;
      return { path, guard: finding.kind === 'image' ? finding.guard : '', finding, generations: null };
    },
  };
  const drawnOn = await imagesDrawnOn(found, known, place, problems);
  const pairing = pairUpload(found, tables, sha256, LOOSE_STUDY, drawnOn);
  await othersTurn();
  const studies: UploadedStudy[] = [];
  for (const study of pairing.studies) {
    const described = await describeStudy(study, known, place);
    studies.push({ id: study.id, ...described });
    await othersTurn();
  }
  const isOddTable = (path: string) => (tables.get(path)?.problems.length ?? 0) > 0;
  const left = pairing.left.filter((path) => !isOddTable(path));
  for (const problem of pairing.problems) problems.push(problem);
  for (const path of left) problems.push(leftProblem(path, findings.get(path)!));
  const told = new Set([...problems, ...studies.flatMap((study) => study.problems)].map(({ file }) => file));
  for (const { images, contours, objects } of pairing.studies)
    for (const path of [...images.map((f) => f.path), ...contours.map((f) => f.path), ...objects])
      told.add(path);
  for (const { path, kind } of found)
    if (!told.has(path) && kind !== 'table')
      problems.push({
        code: 'FILE_NOT_PAIRED',
        file: path,
        detail: 'nothing says which image it belongs to',
      });
  return { studies, problems, patients };
}

/** Returns why a text is no usable contour; null for a usable one and for other files. */
function unusableOf(finding: ScanFinding): UploadedFile['unusable'] {
  if (finding.kind !== 'contour' || finding.contour.ok) return null;
  const { problem, pointsBefore } = finding.contour;
  return { code: problem.code, detail: problem.detail, beginsLikeContour: pointsBefore > 0 };
}

/** Why a file is in no study. */
function leftProblem(file: string, finding: ScanFinding): Problem {
  switch (finding.kind) {
    case 'refused':
    case 'object':
      return { code: finding.code, file, detail: finding.detail };
    case 'drawn':
      return {
        code: 'CONTOUR_WITHOUT_IMAGE',
        file,
        detail: NO_IMAGE_OF_IT,
      };
    case 'zip':
      return {
        code: 'FILE_NOT_PAIRED',
        file,
        detail: 'it is a zip that is not opened: only one named .zip or sent alone is, and none within a zip',
      };
    case 'table':
      return {
        code: 'FILE_NOT_PAIRED',
        file,
        detail: 'a link table joins folders below dicoms/ and contourfiles/, and there are none',
      };
    case 'contour':
    case 'image':
      return { code: 'FILE_NOT_PAIRED', file, detail: 'nothing says which image or study it belongs to' };
  }
}

/** Reads the files of a kept upload again, which has no zip any more. */
export async function readKept(
  folder: string,
  files: readonly StagedFile[],
  loaders: UploadLoaders,
  planeToleranceMm: number,
): Promise<UploadContent> {
  const findings = new Map<string, ScanFinding>();
  await scanStaged(folder, files, findings, loaders, undefined);
  return await describeUpload(files, findings, placeStaged(folder, files, loaders, planeToleranceMm));
}

/** Returns a function that places the contours of an upload's files; nobody else changes their folder. */
function placeStaged(
  folder: string,
  files: readonly StagedFile[],
  loaders: UploadLoaders,
  toleranceMm: number,
): PlaceFile {
  const fileOf = new Map(files.map((file) => [file.name, file]));
  return (name, type, wanted, images) => {
    const { number, sizeBytes } = fileOf.get(name)!;
    const unit = { path: String(number), type, wanted, guard: null, sizeBytes };
    return loaders.place(folder, unit, images, toleranceMm);
  };
}

async function scanStaged(
  folder: string,
  files: readonly StagedFile[],
  findings: Map<string, ScanFinding>,
  loaders: UploadLoaders,
  signal: AbortSignal | undefined,
): Promise<void> {
  const parts = scanTasks(files);
  const worker = async () => {
    for (let part = parts.shift(); part; part = parts.shift()) {
      signal?.throwIfAborted();
      const read = await loaders.scan(folder, part.map(unitOf));
      for (const [at, { name }] of part.entries()) findings.set(name, read[at]!);
    }
  };
  await Promise.all(Array.from({ length: TASKS_AT_ONCE }, worker));
}

function unitOf({ number, name, sizeBytes }: StagedFile): ScanUnit {
  const kind = /\.csv$/i.test(name) ? 'table' : /\.txt$/i.test(name) ? 'contour' : 'any';
  return { path: String(number), kind, sizeBytes, withChecksums: sizeBytes <= CHECKSUM_BYTES };
}

async function unpackZip(
  staging: Staging,
  zip: StagedFile,
  loaders: UploadLoaders,
  signal: AbortSignal | undefined,
): Promise<StagedFile[]> {
  const { limits, durable, folder } = staging;
  const byRatio = Math.max(RATIO_FROM_BYTES, zip.sizeBytes * limits.zipRatio);
  const bytes = Math.min(limits.zipBytes, byRatio);
  const limitDetail =
    bytes === limits.zipBytes
      ? `the zip expands to more than ${bytes} bytes`
      : `the zip expands to more than ${limits.zipRatio} times its size`;
  const files: StagedFile[] = [];
  let bytesLeft = bytes;
  for (let from: number | null = 0; from !== null; ) {
    signal?.throwIfAborted();
    const unit: UnpackUnit = {
      folder,
      zip: zip.number,
      from,
      number: staging.next + files.length,
      filesLeft: limits.files - (staging.files.length - 1),
      bytesLeft,
      limitDetail,
      durable,
    };
    const part = await loaders.unpack(unit);
    if (part.kind === 'refused') throw new UploadRefused(part.isLimit ? 'limit' : 'zip', part.detail);
    appendAll(files, part.files);
    bytesLeft -= part.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    from = part.next;
  }
  return files;
}
