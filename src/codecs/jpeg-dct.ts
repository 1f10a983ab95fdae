import { largestOf } from '../core/long-lists.js';
import { PixelError } from '../core/pixels.js';
import { BitReader } from './jpeg-bits.js';
import { BlockReader } from './jpeg-blocks.js';
import type { JpegFrame } from './jpeg-frame.js';
import { inverseTransform, ZIGZAG } from './jpeg-idct.js';
import { forEachScan, type JpegScan } from './jpeg-scans.js';
import { upsample } from './jpeg-upsample.js';

type Samples = Uint8Array | Uint16Array;

interface Component {
  readonly id: number;
  readonly index: number;
  readonly horizontal: number;
  readonly vertical: number;
  readonly quantization: number;
  /** Samples of its own. */
  readonly rows: number;
  readonly columns: number;
  /** Blocks that hold those samples, and blocks with those that fill up the last MCUs. */
  readonly blockRows: number;
  readonly blockColumns: number;
  readonly stride: number;
  readonly samples: Samples;
  /** Coefficients in coded order, of a progressive image alone. */
  readonly coefficients: Int16Array | null;
}

/** Bytes of coefficients that a progressive image may need: it is held whole until its last scan. */
const MAX_COEFFICIENT_BYTES = 256 * 1024 * 1024;

/**
 * Decodes the cosine transforms of 8 or 12 bits, sequential or progressive, Huffman-coded (ISO/IEC 10918-1, annexes F
 * and G), as planes of the image's size, without a transform of colour. The frame's size is checked before. Throws `PixelError`.
 */
export function decodeDct(bytes: Uint8Array, frame: JpegFrame): Samples {
  const { rows, columns, bits, process } = frame;
  if (bits !== 8 && bits !== 12)
    throw new PixelError('PIXELS_UNSUPPORTED', `a JPEG image of ${bits} bits has no cosine transform`);
  const isProgressive = process === 0xc2;
  const wide = largestOf(frame.components.map(({ horizontal }) => horizontal));
  const high = largestOf(frame.components.map(({ vertical }) => vertical));
  if (
    frame.components.some(
      ({ horizontal: h, vertical: v }) =>
        h < 1 || h > 4 || v < 1 || v > 4 || wide % h !== 0 || high % v !== 0,
    )
  )
    throw new PixelError(
      'PIXELS_UNSUPPORTED',
      'the components of the JPEG image have sizes that are no whole parts',
    );
  const mcuRows = Math.ceil(rows / (8 * high));
  const mcuColumns = Math.ceil(columns / (8 * wide));
  const components = frame.components.map((described, index): Component => {
    const { horizontal, vertical } = described;
    const ownRows = Math.ceil((rows * vertical) / high);
    const ownColumns = Math.ceil((columns * horizontal) / wide);
    const stride = mcuColumns * horizontal * 8;
    const size = stride * mcuRows * vertical * 8;
    if (isProgressive && 2 * size * frame.channels > MAX_COEFFICIENT_BYTES)
      throw new PixelError('LIMIT_EXCEEDED', 'the progressive JPEG image is too large to be held whole');
    return {
      ...described,
      index,
      rows: ownRows,
      columns: ownColumns,
      blockRows: Math.ceil(ownRows / 8),
      blockColumns: Math.ceil(ownColumns / 8),
      stride,
      samples: bits > 8 ? new Uint16Array(size) : new Uint8Array(size),
      coefficients: isProgressive ? new Int16Array(size) : null,
    };
  });
  const seen = new Set<Component>();
  let quantization: JpegScan['quantization'] = [];
  forEachScan(bytes, (scan) => {
    ({ quantization } = scan);
    return readScan(bytes, scan, components, bits, seen, mcuRows, mcuColumns);
  });
  if (seen.size < components.length) throw new PixelError('PIXELS_SHORT', 'the JPEG image lacks a component');
  for (const component of components) if (component.coefficients) transformAll(component, quantization, bits);
  const plane = rows * columns;
  const out =
    bits > 8 ? new Uint16Array(plane * components.length) : new Uint8Array(plane * components.length);
  for (const component of components) {
    const { index, horizontal, vertical } = component;
    const sampled = { ...component, across: wide / horizontal, down: high / vertical };
    upsample(sampled, out.subarray(index * plane, (index + 1) * plane), rows, columns);
  }
  return out;
}

function readScan(
  bytes: Uint8Array,
  scan: JpegScan,
  components: readonly Component[],
  bits: number,
  seen: Set<Component>,
  mcuRows: number,
  mcuColumns: number,
): number {
  const reader = new BitReader(bytes, scan.position);
  const blocks = new BlockReader(reader);
  const parts = scan.components.map((told) => {
    const component = components.find(({ id }) => id === told.id);
    if (!component)
      throw new PixelError(
        'PIXELS_UNSUPPORTED',
        'a scan of the JPEG image has a component that its frame lacks',
      );
    seen.add(component);
    return { component, read: blockOf(blocks, scan, component, told, bits) };
  });
  const [alone] = parts;
  let left = scan.restartInterval;
  const next = (): void => {
    if (scan.restartInterval === 0) return;
    if (left === 0) {
      reader.restart();
      blocks.restart();
      left = scan.restartInterval;
    }
    left -= 1;
  };
  if (parts.length === 1) {
    const { component, read } = alone!;
    for (let row = 0; row < component.blockRows; row++) {
      for (let column = 0; column < component.blockColumns; column++) {
        next();
        read(row, column);
      }
      if (reader.isOver) throw new PixelError('PIXELS_SHORT', 'the JPEG image ends before its samples');
    }
    return reader.position;
  }
  for (let row = 0; row < mcuRows; row++) {
    for (let column = 0; column < mcuColumns; column++) {
      next();
      for (const { component, read } of parts) {
        const { horizontal, vertical } = component;
        for (let y = 0; y < vertical; y++)
          for (let x = 0; x < horizontal; x++) read(row * vertical + y, column * horizontal + x);
      }
    }
    if (reader.isOver) throw new PixelError('PIXELS_SHORT', 'the JPEG image ends before its samples');
  }
  return reader.position;
}

const block = new Int32Array(64);

/** How a scan's blocks of one component are read. */
function blockOf(
  blocks: BlockReader,
  scan: JpegScan,
  component: Component,
  { dc, ac }: JpegScan['components'][number],
  bits: number,
): (row: number, column: number) => void {
  const { coefficients, stride, samples, index } = component;
  const { from, to, high, low } = scan;
  const noTable = new PixelError('PIXELS_SHORT', 'a scan of the JPEG image names a table that is not there');
  if (coefficients === null) {
    const table = scan.quantization[component.quantization];
    if (!dc || !ac || !table) throw noTable;
    return (row, column) => {
      blocks.sequential(index, dc, ac, table, block);
      inverseTransform(block, bits, samples, row * 8 * stride + column * 8, stride);
    };
  }
  const place = (row: number, column: number): number => (row * (stride / 8) + column) * 64;
  if (from > to || to > 63 || low > 13 || (from === 0 && to > 0) || (from > 0 && scan.components.length > 1))
    throw new PixelError('PIXELS_UNSUPPORTED', 'a scan of the JPEG image has a band that cannot be');
  if (from === 0) {
    if (high === 0 && !dc) throw noTable;
    return (row, column) =>
      blocks.mean(index, high === 0 ? dc : undefined, low, coefficients, place(row, column));
  }
  if (!ac) throw noTable;
  return high === 0
    ? (row, column) => blocks.firstBand(ac, from, to, low, coefficients, place(row, column))
    : (row, column) => blocks.laterBand(ac, from, to, low, coefficients, place(row, column));
}

function transformAll(component: Component, quantization: JpegScan['quantization'], bits: number): void {
  const { coefficients, stride, samples } = component;
  const table = quantization[component.quantization];
  if (!coefficients || !table)
    throw new PixelError('PIXELS_SHORT', 'the JPEG image lacks a quantization table');
  for (let at = 0, row = 0; at < coefficients.length; row += 8) {
    for (let column = 0; column < stride; column += 8, at += 64) {
      for (let k = 0; k < 64; k++) block[ZIGZAG[k]!] = coefficients[at + k]! * table[k]!;
      inverseTransform(block, bits, samples, row * stride + column, stride);
    }
  }
}
