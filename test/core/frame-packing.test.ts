import t from 'tap';
import { DEFAULT_LIMITS, type ImageHeader, readHeader } from '../../src/core/dicom.js';
import { settlePacking } from '../../src/core/frame-packing.js';
import { imageElements } from '../../src/demo/image-elements.js';
import { EXPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';

function open(frames: number, rows: number, columns: number, pixels: readonly number[]) {
  const image = { rows, columns, frames, bitsAllocated: 1, bitsStored: 1, pixels: Uint8Array.from(pixels) };
  const bytes = writePart10(imageElements(image), { transferSyntax: EXPLICIT_LITTLE });
  return { bytes, read: readHeader(bytes, bytes.length, DEFAULT_LIMITS) };
}

/** Bytes from frame to frame, and the code of the note. */
function settled(frames: number, rows: number, columns: number, pixels: readonly number[]) {
  const { bytes, read } = open(frames, rows, columns, pixels);
  if (read.kind !== 'header') return read.kind === 'refused' && read.problem.code;
  const header: ImageHeader = read.header;
  const found = settlePacking(header, (offset, length) => {
    const from = header.pixelData.offset + offset;
    return bytes.subarray(from, from + length);
  });
  return found && [found.strideBytes, found.note?.code ?? null];
}

t.test(
  'frames of single bits that are as long with a fill as without are told apart by their bits',
  async (t) => {
    // Two frames of 13 pixels: 26 bits without a gap, two times 16 with one.
    t.strictSame(settled(2, 1, 13, [0xff, 0x3f, 0xff, 0x03]), [1.625, null], 'a fill would not be zeros');
    t.strictSame(
      settled(2, 1, 13, [0xff, 0x1f, 0xff, 0x1f]),
      [2, 'HEADER_REPAIRED'],
      'pixels behind the end',
    );
    t.strictSame(settled(2, 1, 13, [0xff, 0x1f, 0xff, 0x03]), [1.625, 'PIXELS_PACKING'], 'both may be');
    t.strictSame(settled(2, 1, 13, [0xff, 0x3f, 0xff, 0x1f]), [1.625, 'PIXELS_PACKING'], 'neither');
    t.strictSame(settled(1, 1, 13, [0xff, 0x1f]), null, 'a single frame begins where it begins');
    t.strictSame(settled(2, 1, 16, [0xff, 0x1f, 0xff, 0x1f]), null, 'frames of whole bytes');
    t.strictSame(settled(3, 3, 3, [1, 0, 1, 0, 1, 0]), null, 'the length tells');
  },
);

t.test('single bits of several frames whose length fits no packing are refused', async (t) => {
  t.equal(settled(2, 1, 16, [1, 2, 3, 4, 0, 0]), 'PIXELS_LONG');
  t.equal(settled(3, 1, 13, [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]), 'PIXELS_LONG', 'filled up to 4 bytes');
  t.equal(settled(1, 1, 16, [1, 2, 0, 0]), null, 'a single frame is at the start');
});
