import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { guardedSizeBytes } from '../core/guard.js';
import { isId } from '../core/ids.js';
import { parseLinkTable } from '../core/link-table.js';
import { type WalkFault, walkFolder } from '../sources/folder.js';

/** A file to send: bytes of its own, or those of a file on disk. */
export interface ParcelFile {
  /** Its path below the folder, parts joined by `/`. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: Buffer | { readonly path: string };
}

/** What is sent as one study. */
export interface Parcel {
  /** Null: the service makes one of the content. */
  readonly id: string | null;
  readonly files: readonly ParcelFile[];
}

/** A file or folder that is not sent, and why. */
export interface NotSent {
  readonly path: string;
  readonly detail: string;
}

export interface Parcels {
  readonly parcels: readonly Parcel[];
  /** What could not be read, and folders of contours that no study takes. */
  readonly left: readonly NotSent[];
}

const LINK_TABLE = 'link.csv';

/**
 * Divides a folder into studies: where it has `dicoms/PATIENT/`, one for each patient, with the contours that `link.csv` joins to it and a
 * table of that one row; any other folder is one study.
 */
export async function parcelsOf(folder: string): Promise<Parcels> {
  const faults: WalkFault[] = [];
  const files: ParcelFile[] = [];
  for await (const entries of walkFolder(folder, faults))
    for (const { path, guard } of entries)
      files.push({ name: path, sizeBytes: guardedSizeBytes(guard), content: { path: join(folder, path) } });
  // A folder that is sent under another path is not missing.
  const left: NotSent[] = faults.filter(({ code }) => code !== 'FOLDER_TWICE');
  const patients = byFolder(files, 'dicoms');
  if (patients.size === 0) {
    const name = basename(folder);
    return { parcels: files.length > 0 ? [{ id: isId(name) ? name : null, files }] : [], left };
  }
  const originals = byFolder(files, 'contourfiles');
  const links = files.some(({ name }) => name === LINK_TABLE)
    ? parseLinkTable(await readFile(join(folder, LINK_TABLE), 'utf8')).rows
    : [];
  const originalOf = new Map(links.map(({ patient, original }) => [patient, original]));
  const [only] = originals.keys();
  // One of each belong together without a table.
  if (links.length === 0 && patients.size === 1 && originals.size === 1 && only !== undefined)
    originalOf.set([...patients.keys()][0]!, only);
  const parcels = [...patients].map(([patient, images]): Parcel => {
    const original = originalOf.get(patient);
    const contours = original === undefined ? [] : (originals.get(original) ?? []);
    const table = original === undefined ? [] : [linkTable(patient, original)];
    return { id: isId(patient) ? patient : null, files: [...table, ...images, ...contours] };
  });
  const taken = new Set([...originalOf].filter(([patient]) => patients.has(patient)).map(([, name]) => name));
  for (const [original, contours] of originals)
    if (!taken.has(original))
      left.push({
        path: `contourfiles/${original}`,
        detail: `no row of ${LINK_TABLE} joins it to a folder below dicoms/: ${contours.length} file(s) are not sent`,
      });
  return { parcels, left };
}

function byFolder(files: readonly ParcelFile[], top: string): Map<string, ParcelFile[]> {
  const found = new Map<string, ParcelFile[]>();
  for (const file of files) {
    const [first, folder, ...rest] = file.name.split('/');
    if (first !== top || folder === undefined || rest.length === 0) continue;
    const known = found.get(folder);
    if (known) known.push(file);
    else found.set(folder, [file]);
  }
  return found;
}

function linkTable(patient: string, original: string): ParcelFile {
  const quoted = [patient, original].map((text) => `"${text.replaceAll('"', '""')}"`);
  const content = Buffer.from(`patient_id,original_id\n${quoted.join(',')}\n`);
  return { name: LINK_TABLE, sizeBytes: content.length, content };
}
