/** A scan reads structure sets and segmentations whole, 100 MB of contours in a second; frames that must be decoded take longer. */
const BYTES_PER_SECOND = 4 * 1024 * 1024;
/** More bytes of a file add no time: a file that hangs its loader is to be told of within minutes. */
const MOST_BYTES = 512 * 1024 * 1024;

/** How long a scan of files may take, in ms: `baseMs`, and a second for every 4 MiB of them. */
export function scanDeadlineMs(baseMs: number, files: readonly { readonly sizeBytes: number }[]): number {
  const bytes = files.reduce((sum, { sizeBytes }) => sum + Math.min(MOST_BYTES, sizeBytes), 0);
  return baseMs + Math.ceil((1000 * bytes) / BYTES_PER_SECOND);
}
