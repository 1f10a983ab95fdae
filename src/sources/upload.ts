import { createHash } from 'node:crypto';
import { mkdirSync, renameSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isId, type StudyId } from '../core/ids.js';
import type { StagedFile } from './staging.js';

const MANIFEST = 'manifest.json';
const FORMAT = 1;

/** What a kept upload says of itself, in a file beside its files; the catalogue can be made from it again. */
export interface Manifest {
  readonly study: StudyId;
  readonly digest: string;
  readonly files: readonly StagedFile[];
}

/** Names an upload by its content: the names of its files and their bytes, in whatever order or wrapping they came. */
export function uploadDigest(files: readonly StagedFile[]): string {
  const hash = createHash('sha256').update('upload 1\n');
  const lines = files.map(({ name, sizeBytes, sha256 }) => JSON.stringify([name, sizeBytes, sha256]));
  for (const line of lines.sort()) hash.update(`${line}\n`);
  return hash.digest('hex');
}

/** Uploads that are studies: each in a folder named by its key, which becomes there in one rename. */
export class KeptUploads {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** The keys of all uploads that are there. */
  async keys(): Promise<string[]> {
    return (await readdir(this.folder)).sort();
  }

  pathOf(key: string): string {
    return join(this.folder, key);
  }

  /** Writes what an upload says of itself into its folder, and has the folder reach the disk. */
  async prepare(folder: string, manifest: Manifest): Promise<void> {
    const file = await open(join(folder, MANIFEST), 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify({ format: FORMAT, ...manifest }));
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(folder);
  }

  /** Makes a prepared folder an upload that is kept: the moment from which on it is there, whatever happens. */
  commit(folder: string, key: string): void {
    renameSync(folder, this.pathOf(key));
  }

  /** Takes an upload away in one step: what is in `into` is to be removed. */
  withdraw(key: string, into: string): void {
    renameSync(this.pathOf(key), into);
  }

  /** Has a commit or a withdrawal reach the disk. */
  sync(): Promise<void> {
    return syncFolder(this.folder);
  }

  /** What an upload says of itself. Throws where that is not to be read. */
  async manifest(key: string): Promise<Manifest> {
    const text = await readFile(join(this.pathOf(key), MANIFEST), 'utf8');
    const { format, study, digest, files } = JSON.parse(text) as Manifest & { format: number };
    if (format !== FORMAT || !isId(study) || !Array.isArray(files))
      throw new Error(`the manifest is of another form (${format})`);
    return { study, digest, files };
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
