import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * The path of something in the folder of real data, which lies beside the project and not in it, or null when it
 * isn't there. `SLICEFEED_TEST_DATA` names another folder; relative paths start at the project's root.
 */
export function sharedData(...parts: string[]): string | null {
  const path = resolve(process.env.SLICEFEED_TEST_DATA ?? '../shared/data', ...parts);
  return existsSync(path) ? path : null;
}
