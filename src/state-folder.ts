import { mkdirSync, statSync } from 'node:fs';
import type { BaseLogger } from 'pino';
import { FolderLock } from './lock.js';

/**
 * Makes the state folder if it is missing, and locks it for this process. Throws an error for people if it
 * can't.
 */
export function takeStateFolder(folder: string, log: Pick<BaseLogger, 'warn'>): FolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if ((statSync(folder).mode & 0o077) !== 0)
    log.warn({ state: folder }, 'others may look into the state folder');
  const lock = FolderLock.take(folder, { file: 'lock' });
  if (lock) return lock;
  throw new Error(`another slicefeed uses the state folder ${folder}: stop it, or name another with --state`);
}
