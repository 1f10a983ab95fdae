/**
 * Calls `use`, which makes or opens a folder that a setting names. Turns an error of the system into one for
 * people, which names the setting and says what to do.
 */
export function explainFolder<T>(name: 'state' | 'spool', folder: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const isFile = code === 'EEXIST' || code === 'ENOTDIR';
    const why = isFile ? 'cannot be made: it, or a folder above it, is a file' : `cannot be used (${code})`;
    throw new Error(
      `the ${name} folder ${folder} ${why}. Name a folder that this user may write to with --${name} FOLDER or SLICEFEED_${name.toUpperCase()}`,
    );
  }
}
