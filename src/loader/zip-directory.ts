import type { Readable } from 'node:stream';
import { type Entry, open, type ZipFile } from 'yauzl';
import { isGarbled, isHidden, relativeName } from '../core/upload-name.js';

/** What a zip is refused for; the text names no entry. */
export class ZipRefusal extends Error {
  override readonly name = 'ZipRefusal';
  constructor(
    message: string,
    readonly isLimit: boolean,
  ) {
    super(message);
  }
}

/** A file of a zip. */
export interface ZipEntry {
  readonly name: string;
  readonly crc32: number;
  readonly raw: Entry;
}

/** An open zip. */
export interface OpenZip {
  /**
   * The files of the zip's directory in their order, without hidden ones. Refuses the whole zip if one entry
   * is encrypted, is a link or a device, has a name that is no relative path or is there twice, is compressed
   * in another way, or shares bytes with another entry; and if there are more files than `filesLeft`.
   */
  entries(filesLeft: number): Promise<readonly ZipEntry[]>;
  /** An entry's content; the stream fails where it has not the size that the directory says. */
  read(entry: ZipEntry): Promise<Readable>;
}

const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
const LOCAL_HEADER_BYTES = 30;
const UNIX = 3;
const FILE_TYPE = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;
/** Folders and hidden files are no files of the upload, and no way around its limit either. */
const SPARE_ENTRIES = 1000;

/** Opens a zip while `work` runs, and closes it however that ends. */
export async function withZip<T>(path: string, work: (zip: OpenZip) => Promise<T>): Promise<T> {
  const zip = await opened(path);
  try {
    return await work({
      entries: (filesLeft) => readEntries(zip, filesLeft),
      read: ({ raw }) =>
        new Promise((resolve, reject) => {
          zip.openReadStream(raw, (error, stream) => (error ? reject(error) : resolve(stream)));
        }),
    });
  } finally {
    zip.close();
  }
}

async function readEntries(zip: ZipFile, filesLeft: number): Promise<readonly ZipEntry[]> {
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  const places: { readonly from: number; readonly to: number }[] = [];
  let seen = 0;
  for await (const raw of entriesOf(zip)) {
    if (++seen > SPARE_ENTRIES + 2 * filesLeft) throw tooMany(filesLeft);
    const isFolder = raw.fileName.endsWith('/');
    checkEntry(raw, isFolder);
    const name = relativeName(raw.fileName);
    if (name === null)
      throw new ZipRefusal('the name of an entry is no relative path: it is absolute, or has ".."', false);
    const from = raw.relativeOffsetOfLocalHeader;
    places.push({ from, to: from + LOCAL_HEADER_BYTES + raw.fileNameLength + raw.compressedSize });
    if (isFolder || isHidden(name)) continue;
    if (names.has(name))
      throw new ZipRefusal(
        isGarbled(name)
          ? 'the names of two entries cannot be told apart, because they are no UTF-8'
          : 'two entries have one name',
        false,
      );
    names.add(name);
    if (entries.length >= filesLeft) throw tooMany(filesLeft);
    entries.push({ name, crc32: raw.crc32, raw });
  }
  places.sort((a, b) => a.from - b.from);
  if (places.some(({ from }, at) => at > 0 && from < places[at - 1]!.to))
    throw new ZipRefusal('entries of the zip share their bytes', false);
  return entries;
}

function tooMany(filesLeft: number): ZipRefusal {
  return new ZipRefusal(
    `the zip has more than the ${filesLeft} files that the upload may still have by SLICEFEED_UPLOAD_FILES`,
    true,
  );
}

function checkEntry(raw: Entry, isFolder: boolean): void {
  if (raw.generalPurposeBitFlag & ENCRYPTED) throw new ZipRefusal('an entry is encrypted', false);
  if (raw.compressionMethod !== STORED && raw.compressionMethod !== DEFLATED)
    throw new ZipRefusal('an entry is compressed in another way than stored or deflated', false);
  const type = (raw.externalFileAttributes >>> 16) & FILE_TYPE;
  const madeOnUnix = raw.versionMadeBy >>> 8 === UNIX;
  if (madeOnUnix && type !== 0 && type !== (isFolder ? FOLDER : REGULAR))
    throw new ZipRefusal('an entry is a link or a device', false);
}

function opened(path: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    // Names with Windows separators are read as paths.
    open(path, { lazyEntries: true, autoClose: false, strictFileNames: false }, (error, zip) =>
      error ? reject(error) : resolve(zip),
    );
  });
}

async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry> {
  let settle: { resolve: (entry: Entry | null) => void; reject: (error: Error) => void } | null = null;
  zip.on('entry', (entry: Entry) => settle?.resolve(entry));
  zip.on('end', () => settle?.resolve(null));
  zip.on('error', (error: Error) => {
    // Its names are checked by its reader first.
    const isName = /absolute path|invalid relative path|invalid characters/.test(error.message);
    settle?.reject(
      isName
        ? new ZipRefusal('the name of an entry is no relative path: it is absolute, or has ".."', false)
        : error,
    );
  });
  for (;;) {
    const entry = await new Promise<Entry | null>((resolve, reject) => {
      settle = { resolve, reject };
      zip.readEntry();
    });
    if (!entry) return;
    yield entry;
  }
}
