/** What of a file's status tells that its content may have changed; nanoseconds, as `fs.stat` gives them with `bigint`. */
export interface FileStatus {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly ino: bigint;
}

/** A file's size, times and inode as one text: equal texts mean untouched content, different ones mean "look again". */
export function guardOf(status: FileStatus): string {
  return `${status.size}.${status.mtimeNs}.${status.ctimeNs}.${status.ino}`;
}

/** The size in bytes that a guard was made from. */
export function guardedSizeBytes(guard: string): number {
  return Number(guard.slice(0, guard.indexOf('.')));
}
