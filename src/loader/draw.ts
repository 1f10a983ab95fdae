import { closeSync, readSync } from 'node:fs';
import { type BatchLayout, batchLayout, type DType, type TensorName, tensorOf } from '../core/layout.js';
import { contactSheet } from '../pictures/contact-sheet.js';
import { overlay, type Scale } from '../pictures/overlay.js';
import type { Panel } from '../pictures/panel.js';
import type { DrawUnit, Task } from './messages.js';
import { openSegment } from './segments.js';

/** Draws finished batches from the bytes of their segments; answers PNG files. */
export function draw(task: Task<'draw'>): Uint8Array[] {
  return task.units.map((unit) => {
    const panels = panelsOf(unit);
    const [only] = panels;
    return unit.scale !== null && only
      ? overlay(only, { scale: unit.scale as Scale, caption: unit.caption })
      : contactSheet(panels, { title: unit.title });
  });
}

function panelsOf(unit: DrawUnit): Panel[] {
  const layout = batchLayout(unit.shape);
  const { slots, channels, rows, columns, structures } = unit.shape;
  const fd = openSegment(unit.segment, 'r');
  try {
    const images = elements(fd, layout, 'images');
    const masks = elements(fd, layout, 'masks');
    const valid = elements(fd, layout, 'valid');
    const plane = rows * columns;
    return Array.from({ length: slots }, (_, slot) => ({
      rows,
      columns,
      channels,
      values: images.subarray(slot * channels * plane, (slot + 1) * channels * plane),
      masks: Array.from({ length: structures }, (_, structure) => {
        const at = (slot * structures + structure) * plane;
        return masks.subarray(at, at + plane);
      }),
      structures: unit.structures,
      title: unit.titles[slot] ?? 'padding',
      valid: valid[slot] === 1,
      ...unit.ranges[slot],
    }));
  } finally {
    closeSync(fd);
  }
}

type Elements = Uint8Array | Int16Array | Uint16Array | Int32Array | Float32Array;

function elements(fd: number, layout: BatchLayout, name: TensorName): Elements {
  const tensor = tensorOf(layout, name);
  const bytes = Buffer.allocUnsafeSlow(tensor.sizeBytes);
  let done = 0;
  while (done < bytes.length) {
    const got = readSync(fd, bytes, done, bytes.length - done, tensor.offset + done);
    if (got === 0) throw new RangeError('a segment is shorter than its layout');
    done += got;
  }
  return viewOf(tensor.dtype, bytes);
}

function viewOf(dtype: DType, bytes: Buffer): Elements {
  const { buffer } = bytes;
  switch (dtype) {
    case 'int16':
      return new Int16Array(buffer);
    case 'uint16':
      return new Uint16Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'float32':
      return new Float32Array(buffer);
    case 'float16':
      return Float32Array.from(new Uint16Array(buffer), halfToNumber);
    default:
      return new Uint8Array(buffer);
  }
}

/** The value of an IEEE 754 half-precision number. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
