import { createRequire } from 'node:module';
import type Koffi from 'koffi';

/** What calls the C library of the system; null where it can't be had: another system than Linux, or no build for this processor or C library. */
export function cLibrary(): typeof Koffi | null {
  if (process.platform !== 'linux') return null;
  try {
    return createRequire(import.meta.url)('koffi') as typeof Koffi;
  } catch {
    return null;
  }
}
