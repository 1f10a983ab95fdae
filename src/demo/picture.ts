import { contactSheet } from '../pictures/contact-sheet.js';
import type { ReceivedBatch } from './reader.js';

/** A contact sheet, a PNG, drawn from the bytes of a batch that was received: its images must be little-endian uint16, of one channel. */
export function drawBatch(batch: ReceivedBatch, title: string): Uint8Array {
  const ids = JSON.parse(batch.metadata.pairIds ?? '[]') as (string | null)[];
  const structures = JSON.parse(batch.metadata.structures ?? '[]') as string[];
  const images = batch.tensors.get('images');
  const masks = batch.tensors.get('masks');
  const valid = batch.tensors.get('valid');
  if (images?.dtype !== 'U16' || !masks || !valid) throw new RangeError('not a batch of uint16 images');
  const [, , rows = 0, columns = 0] = images.shape;
  const plane = rows * columns;
  const view = new DataView(images.bytes.buffer, images.bytes.byteOffset, images.bytes.byteLength);
  const panels = ids.map((id, slot) => ({
    rows,
    columns,
    channels: 1 as const,
    values: Uint16Array.from({ length: plane }, (_, at) => view.getUint16(2 * (slot * plane + at), true)),
    masks: structures.map((_, index) => {
      const at = (slot * structures.length + index) * plane;
      return masks.bytes.subarray(at, at + plane);
    }),
    structures,
    title: id ?? '',
    valid: valid.bytes[slot] === 1,
  }));
  return contactSheet(panels, { title });
}
