import { PixelError } from '../core/pixels.js';
import { BitReader, type HuffmanTable } from './jpeg-bits.js';
import type { JpegFrame } from './jpeg-frame.js';
import { forEachScan, type JpegScan } from './jpeg-scans.js';

/**
 * Decodes lossless JPEG of 2 to 16 bits (ISO/IEC 10918-1, annex H), Huffman-coded, as planes. The frame's size is
 * checked before. Throws `PixelError`.
 */
export function decodeLossless(bytes: Uint8Array, frame: JpegFrame): Uint8Array | Uint16Array {
  const { rows, columns, bits, components } = frame;
  if (
    components.some(
      ({ horizontal: h, vertical: v }) => h !== components[0]!.horizontal || v !== components[0]!.vertical,
    )
  )
    throw new PixelError(
      'PIXELS_UNSUPPORTED',
      'the components of the lossless JPEG image have different sizes',
    );
  if (bits < 2 || bits > 16)
    throw new PixelError('PIXELS_UNSUPPORTED', `a lossless JPEG image has no ${bits} bits`);
  const plane = rows * columns;
  const out = new Uint16Array(plane * components.length);
  const seen = new Set<number>();
  forEachScan(bytes, (scan) => {
    const parts = scan.components.map(({ id, dc }) => {
      const index = components.findIndex((component) => component.id === id);
      if (index < 0 || !dc)
        throw new PixelError(
          'PIXELS_SHORT',
          'a scan of the JPEG image names a component or a table that is not there',
        );
      seen.add(index);
      return { samples: out.subarray(index * plane, (index + 1) * plane), table: dc };
    });
    return readScan(bytes, scan, parts, frame);
  });
  if (seen.size < components.length) throw new PixelError('PIXELS_SHORT', 'the JPEG image lacks a component');
  return bits > 8 ? out : Uint8Array.from(out);
}

interface Part {
  readonly samples: Uint16Array;
  readonly table: HuffmanTable;
}

function readScan(
  bytes: Uint8Array,
  scan: JpegScan,
  parts: readonly Part[],
  { rows, columns, bits }: JpegFrame,
): number {
  const { from: predictor, low: shift, restartInterval } = scan;
  if (predictor < 1 || predictor > 7 || shift >= bits)
    throw new PixelError('PIXELS_UNSUPPORTED', 'the lossless JPEG image has a predictor that cannot be');
  if (restartInterval % columns !== 0)
    throw new PixelError('PIXELS_UNSUPPORTED', 'the lossless JPEG image restarts inside a row');
  const reader = new BitReader(bytes, scan.position);
  const rowsBetween = restartInterval / columns;
  const start = 1 << (bits - shift - 1);
  for (let row = 0; row < rows; row++) {
    const isRestart = rowsBetween > 0 && row > 0 && row % rowsBetween === 0;
    if (isRestart) reader.restart();
    const isFirst = row === 0 || isRestart;
    if (parts.length === 1) readRow(reader, parts[0]!, row * columns, columns, isFirst, predictor, start);
    else {
      for (let column = 0; column < columns; column++)
        for (const { samples, table } of parts) {
          const at = row * columns + column;
          const ra = samples[at - 1]!;
          const rb = samples[at - columns]!;
          const predicted = isFirst
            ? column === 0
              ? start
              : ra
            : column === 0
              ? rb
              : predict(predictor, ra, rb, samples[at - columns - 1]!);
          samples[at] = predicted + difference(reader, table);
        }
    }
    if (reader.isOver) throw new PixelError('PIXELS_SHORT', 'the JPEG image ends before its samples');
  }
  if (shift > 0)
    for (const { samples } of parts)
      for (let i = 0; i < samples.length; i++) samples[i] = samples[i]! << shift;
  return reader.position;
}

function readRow(
  reader: BitReader,
  { samples, table }: Part,
  first: number,
  columns: number,
  isFirst: boolean,
  predictor: number,
  start: number,
): void {
  const end = first + columns;
  let value = ((isFirst ? start : samples[first - columns]!) + difference(reader, table)) & 0xffff;
  samples[first] = value;
  if (isFirst || predictor === 1) {
    for (let at = first + 1; at < end; at++) {
      value = (value + difference(reader, table)) & 0xffff;
      samples[at] = value;
    }
    return;
  }
  for (let at = first + 1, above = first + 1 - columns; at < end; at++, above++) {
    value =
      (predict(predictor, value, samples[above]!, samples[above - 1]!) + difference(reader, table)) & 0xffff;
    samples[at] = value;
  }
}

/** Table H.1: from the samples to the left, above, and above to the left. */
function predict(predictor: number, ra: number, rb: number, rc: number): number {
  switch (predictor) {
    case 1:
      return ra;
    case 2:
      return rb;
    case 3:
      return rc;
    case 4:
      return ra + rb - rc;
    case 5:
      return ra + ((rb - rc) >> 1);
    case 6:
      return rb + ((ra - rc) >> 1);
    default:
      return (ra + rb) >> 1;
  }
}

function difference(reader: BitReader, table: HuffmanTable): number {
  const length = reader.symbol(table);
  if (length > 16)
    throw new PixelError('PIXELS_SHORT', 'the lossless JPEG image has a difference of more than 16 bits');
  // No bits follow: it can be told from the length alone (section H.1.2.2).
  return length === 16 ? 32_768 : reader.difference(length);
}
