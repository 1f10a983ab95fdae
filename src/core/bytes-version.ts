/**
 * Names how bytes are made. It changes whenever equal snapshots and specs would give other bytes than before, and
 * sessions opened under another version are refused, so that no trainer reads two kinds of bytes in one run.
 */
export const BYTES_VERSION = '2';
