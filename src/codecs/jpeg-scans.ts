import { PixelError } from '../core/pixels.js';
import { HuffmanTable } from './jpeg-bits.js';

/** One scan of a JPEG image with the tables that hold for it (ISO/IEC 10918-1, section B.2.3). */
export interface JpegScan {
  readonly components: readonly JpegScanComponent[];
  /** Spectral selection; the first is the predictor of a lossless image. */
  readonly from: number;
  readonly to: number;
  /** Successive approximation; `low` is the point transform of a lossless image. */
  readonly high: number;
  readonly low: number;
  /** MCUs between restart markers, 0 without any. */
  readonly restartInterval: number;
  /** Where its bits start. */
  readonly position: number;
  readonly quantization: readonly (Int32Array | undefined)[];
}

interface JpegScanComponent {
  readonly id: number;
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
}

/** More scans than an image needs are an attack on time. */
const MAX_SCANS = 256;

function cutOff(): PixelError {
  return new PixelError('PIXELS_SHORT', 'the JPEG image is cut off inside a marker segment');
}

/** The scans of an image, one after the other: `read` decodes one and returns where it ended. Throws `PixelError`. */
export function forEachScan(bytes: Uint8Array, read: (scan: JpegScan) => number): void {
  const tables = new Map<number, HuffmanTable>();
  const quantization: Int32Array[] = [];
  let restartInterval = 0;
  let scans = 0;
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff || marker === 0xff || marker === 0 || (marker >= 0xd0 && marker <= 0xd7)) {
      at += 1;
      continue;
    }
    if (marker === 0xd9) return;
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) throw cutOff();
    const segment = bytes.subarray(at + 4, end);
    at = end;
    if (marker === 0xc4) readTables(segment, tables);
    else if (marker === 0xdb) readQuantization(segment, quantization);
    else if (marker === 0xdd) restartInterval = ((segment[0] ?? 0) << 8) | (segment[1] ?? 0);
    else if (marker === 0xda) {
      scans += 1;
      if (scans > MAX_SCANS)
        throw new PixelError('LIMIT_EXCEEDED', `the JPEG image has more than ${MAX_SCANS} scans`);
      at = read({ ...scanOf(segment, tables), restartInterval, position: end, quantization });
    }
  }
  if (scans === 0) throw cutOff();
}

function scanOf(
  segment: Uint8Array,
  tables: ReadonlyMap<number, HuffmanTable>,
): Pick<JpegScan, 'components' | 'from' | 'to' | 'high' | 'low'> {
  const count = segment[0] ?? 0;
  if (count < 1 || count > 4 || segment.length < 4 + 2 * count) throw cutOff();
  const components = Array.from({ length: count }, (_, i): JpegScanComponent => {
    const choice = segment[2 + 2 * i]!;
    return { id: segment[1 + 2 * i]!, dc: tables.get(choice >> 4), ac: tables.get(0x10 | (choice & 15)) };
  });
  const at = 1 + 2 * count;
  const approximation = segment[at + 2]!;
  return {
    components,
    from: segment[at]!,
    to: segment[at + 1]!,
    high: approximation >> 4,
    low: approximation & 15,
  };
}

function readTables(segment: Uint8Array, tables: Map<number, HuffmanTable>): void {
  for (let at = 0; at + 17 <= segment.length; ) {
    const counts = segment.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total > 256 || at + 17 + total > segment.length) throw cutOff();
    tables.set(segment[at]! & 0x1f, new HuffmanTable(counts, segment.subarray(at + 17, at + 17 + total)));
    at += 17 + total;
  }
}

function readQuantization(segment: Uint8Array, quantization: Int32Array[]): void {
  for (let at = 0; at < segment.length; ) {
    const wide = segment[at]! >> 4 !== 0;
    const index = segment[at]! & 15;
    at += 1;
    if (index > 3 || at + (wide ? 128 : 64) > segment.length) throw cutOff();
    const table = new Int32Array(64);
    for (let i = 0; i < 64; i++) {
      table[i] = wide ? (segment[at]! << 8) | segment[at + 1]! : segment[at]!;
      at += wide ? 2 : 1;
    }
    quantization[index] = table;
  }
}
