import { guardedSizeBytes } from '../core/guard.js';
import type { ScanUnit } from '../loader/messages.js';
import type { FilePlace, Locate } from '../sources/place.js';
import { type Database, prepare, transact } from '../sqlite.js';
import type { ReadFiles } from './scan-loaders.js';
import { selectedOrdinals } from './selection.js';
import { forgetSlices } from './slices.js';
import type { Snapshot } from './snapshot.js';
import { othersTurn } from './turns.js';

/** A task of so few keeps a loader free for a trainer that asks meanwhile. */
const FILES_PER_TASK = 8;

interface Row {
  readonly ord: number;
  readonly path: string;
  readonly frame: number;
  readonly guard: string;
  readonly header_digest: string;
}

/**
 * Reads the pixels of snapshots that nobody loaded yet, in a loader of the background, and keeps their checksums: without one,
 * a file that is touched before its first load can't be told from one whose pixels changed.
 */
export class Checksums {
  #db: Database;
  #locate: Locate;
  #readFiles: ReadFiles;
  #line: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(db: Database, locate: Locate, readFiles: ReadFiles) {
    this.#db = db;
    this.#locate = locate;
    this.#readFiles = readFiles;
  }

  /** Takes a snapshot's pairs up, behind those that wait already. */
  add(snapshot: Snapshot): void {
    this.#line = this.#line
      .then(() => this.#fill(snapshot))
      .catch(() => {
        // Loaders that end or a service that closes: the next load of a pair records its checksum as well.
      });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#line;
  }

  async #fill(snapshot: Snapshot): Promise<void> {
    for (const { revision } of snapshot.studies) {
      await othersTurn();
      const unread = prepare(this.#db, 'SELECT 1 FROM slice WHERE revision = ? AND checksum IS NULL LIMIT 1');
      if (this.#stopped || unread.get(revision) === undefined) continue;
      const ordinals = selectedOrdinals(this.#db, revision, snapshot.selection);
      const chosen = ordinals && new Set(ordinals);
      for (let after = -1; !this.#stopped; ) {
        const rows = prepare(
          this.#db,
          'SELECT ord, path, frame, guard, header_digest FROM slice WHERE revision = ? AND ord > ? AND checksum IS NULL ORDER BY ord LIMIT ?',
        ).all(revision, after, FILES_PER_TASK) as unknown as Row[];
        if (rows.length === 0) break;
        after = rows[rows.length - 1]!.ord;
        await this.#read(
          revision,
          rows.filter(({ ord }) => chosen === null || chosen.has(ord)),
        );
      }
    }
  }

  async #read(revision: number, rows: readonly Row[]): Promise<void> {
    const paths = [...new Set(rows.map(({ path }) => path))];
    if (paths.length === 0) return;
    const places = paths.map(this.#locate);
    const guardOf = new Map(rows.map(({ path, guard }) => [path, guard]));
    // A study's files are all of one source.
    const { root } = places[0] as FilePlace;
    const units = places.map(
      ({ path }, at): ScanUnit => ({
        path,
        kind: 'image',
        sizeBytes: guardedSizeBytes(guardOf.get(paths[at]!)!),
        withChecksums: true,
      }),
    );
    const findings = await this.#readFiles(root, units);
    const found = new Map(paths.map((path, at) => [path, findings[at]!]));
    const update = prepare(
      this.#db,
      'UPDATE slice SET checksum = ? WHERE revision = ? AND ord = ? AND checksum IS NULL AND guard = ?',
    );
    transact(this.#db, () => {
      for (const { ord, path, frame, guard, header_digest: headerDigest } of rows) {
        const finding = found.get(path);
        if (finding?.kind !== 'image' || finding.guard !== guard || finding.headerDigest !== headerDigest)
          continue;
        const checksum = finding.checksums?.[frame];
        if (checksum !== undefined) update.run(checksum, revision, ord, guard);
      }
    });
    forgetSlices(this.#db);
  }
}
