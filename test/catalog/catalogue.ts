import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SCAN_DEFAULTS, type ScanProgress, type ScanResult, scanFolder } from '../../src/catalog/scan.js';
import type { ScanLoaders } from '../../src/catalog/scan-loaders.js';
import { openDatabase } from '../../src/catalog/schema.js';
import type { Selection } from '../../src/catalog/selection.js';
import { makeSnapshot, type Snapshot } from '../../src/catalog/snapshot.js';
import { presentStudies } from '../../src/catalog/studies.js';
import type { ScanFinding, ScanUnit } from '../../src/loader/messages.js';
import { place } from '../../src/loader/place.js';
import { scan } from '../../src/loader/scan.js';
import type { Database } from '../../src/sqlite.js';
import { temporaryFolder } from '../helper.js';
import { LIMITS, type LogLine, memoryLog } from '../loader/scripted.js';
import { dicomFile } from '../loader/sources.js';

type Teardown = Parameters<typeof temporaryFolder>[0];

/** An empty catalogue, closed after the test. */
export function openCatalogue(t: Teardown): Database {
  const db = openDatabase(temporaryFolder(t));
  t.teardown(() => db.close());
  return db;
}

/** What a scan answered, the files that it read, and its log. */
export interface Scanned {
  readonly result: ScanResult;
  readonly progress: ScanProgress;
  readonly read: readonly ScanUnit[];
  readonly log: readonly LogLine[];
}

/** Reads files in this process; `before` comes first. */
export function reading(before: (unit: ScanUnit) => ScanFinding | undefined = () => undefined) {
  const read: ScanUnit[] = [];
  const readFiles = async (root: string, units: readonly ScanUnit[]) =>
    Promise.all(
      units.map(async (unit) => {
        read.push(unit);
        return before(unit) ?? (await scan({ kind: 'scan', root, units: [unit] }, LIMITS))[0]!;
      }),
    );
  return { read, readFiles };
}

/** Loaders that are this process. */
export function loadersHere(limits = LIMITS): ScanLoaders {
  return {
    scan: (root, units) => scan({ kind: 'scan', root, units }, limits),
    async place(root, unit, images, toleranceMm) {
      return (await place({ kind: 'place', root, units: [unit], images, toleranceMm }, limits))[0]!;
    },
  };
}

/** Scans without reading pixels, as large images are scanned. */
export async function scanInto(
  db: Database,
  root: string,
  { read, readFiles } = reading(),
): Promise<Scanned> {
  const progress: ScanProgress = { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 };
  const { log, lines } = memoryLog();
  const loaders = { ...loadersHere(), scan: readFiles };
  const result = await scanFolder(db, root, loaders, progress, log, {
    ...SCAN_DEFAULTS,
    wholeFileBytes: 0,
  });
  return { result, progress, read, log: lines };
}

/** A selection by structures, everything else as it is by default. */
export function selecting(structures: readonly string[], changes: Partial<Selection> = {}): Selection {
  return { structures, missing: 'exclude', rename: {}, where: {}, ...changes };
}

/** Writes a file below a folder. */
export function write(root: string, path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

/** A 2 × 3 image whose first pixel is `first`; files of one `seed` differ in nothing else. */
export function smallImage(first = 1, seed = 'image'): Uint8Array {
  return dicomFile({
    rows: 2,
    columns: 3,
    pixels: Uint16Array.of(first, 2, 3, 4, 5, 6),
    seed,
    patientId: 'P',
  });
}

export const TRIANGLE = '0 0\n2 0\n0 1\n';

/** Two studies of two images each; the first image of each has a contour `i`, that of A an `o` too. */
export function smallFolder(t: Teardown): string {
  const root = temporaryFolder(t);
  write(root, 'link.csv', 'patient_id,original_id\nA,OA\nB,OB\n');
  for (const study of ['A', 'B']) {
    for (const number of [1, 2])
      write(root, `dicoms/${study}/${number}.dcm`, smallImage(1, `${study}${number}`));
    write(root, `contourfiles/O${study}/i-contours/IM-0001-0001-icontour-manual.txt`, TRIANGLE);
  }
  write(root, 'contourfiles/OA/o-contours/IM-0001-0001-ocontour-manual.txt', '0 0\n2 0\n2 1\n0 1\n');
  return root;
}

/** The names of the present states of all studies. */
export function digests(db: Database): Record<string, string> {
  const rows = db
    .prepare('SELECT s.id, r.digest FROM study s JOIN revision r ON r.id = s.revision ORDER BY s.id')
    .all();
  return Object.fromEntries((rows as { id: string; digest: string }[]).map(({ id, digest }) => [id, digest]));
}

/** The snapshot of all that is present, by structures. */
export function present(db: Database, structures: readonly string[] = ['i']): Snapshot {
  return makeSnapshot(db, presentStudies(db), selecting(structures));
}
