import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, relative } from 'node:path';
import type { BaseLogger } from 'pino';
import { explainFolder } from './folder-error.js';
import { FolderLock } from './lock.js';

/** Another process has the state folder; the message is meant for people. */
export class StateFolderTaken extends Error {
  override readonly name = 'StateFolderTaken';
}

/**
 * Makes the state folder if it is missing, and locks it for this process. Throws an error for people if it
 * can't.
 */
export function takeStateFolder(folder: string, log: Pick<BaseLogger, 'warn'>): FolderLock {
  const lock = explainFolder('state', folder, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((statSync(folder).mode & 0o077) !== 0)
      log.warn({ state: folder }, 'others may look into the state folder');
    return FolderLock.take(folder, { file: 'lock' });
  });
  if (lock) return lock;
  throw new StateFolderTaken(
    `another slicefeed uses the state folder ${folder}: stop it, or name another with --state`,
  );
}

/** Whether an existing folder is another one or lies in it, whatever links lead there. */
export function liesIn(folder: string, other: string): boolean {
  const way = relative(realpathSync(other), realpathSync(folder));
  return !isAbsolute(way) && way.split('/')[0] !== '..';
}
