import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KEY_FILE = 'log.key';
const KEY_BYTES = 32;

/**
 * Returns the key of a state folder for keyed hashes; it is made at first use and kept, so equal texts have
 * equal hashes over restarts.
 */
export function stateKey(state: string): string {
  const path = join(state, KEY_FILE);
  mkdirSync(state, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}
