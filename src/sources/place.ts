import { join } from 'node:path';

/** Where a file is read from: a folder, and the path below it. */
export interface FilePlace {
  readonly root: string;
  readonly path: string;
}

/** Finds a file of the catalogue by its path there. */
export type Locate = (path: string) => FilePlace;

/** Where uploads lie: those under way, and those that are studies, each in a folder named by its key. */
export function uploadFolders(state: string): { readonly incoming: string; readonly kept: string } {
  return { incoming: join(state, 'uploads', 'incoming'), kept: join(state, 'uploads', 'studies') };
}

const UPLOADED = /^\/([^/]+)\/(\d+)\/(.+)$/s;

/**
 * A file of an upload as the catalogue knows it: `/KEY/NUMBER/NAME`, where KEY and NUMBER are its folder and file on disk and NAME is what
 * its sender calls it. No path of the data folder begins with a slash.
 */
export function uploadedPath(key: string, number: number, name: string): string {
  return `/${key}/${number}/${name}`;
}

/** A file as people call it: its path below the data folder, or the name it was sent under. */
export function shownName(path: string): string {
  return UPLOADED.exec(path)?.[3] ?? path;
}

/** Finds files of the data folder and of uploads. */
export function locator(data: string, kept: string): Locate {
  return (path) => {
    const [, key, number] = UPLOADED.exec(path) ?? [];
    return key === undefined || number === undefined
      ? { root: data, path }
      : { root: kept, path: `${key}/${number}` };
  };
}
