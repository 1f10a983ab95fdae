import { encode } from 'fast-png';
import type { Canvas } from './canvas.js';

/** A canvas as an RGB PNG of 8 bits a sample; equal pixels give equal bytes. */
export function encodePng(canvas: Canvas): Uint8Array {
  return encode({ width: canvas.width, height: canvas.height, data: canvas.data, channels: 3, depth: 8 });
}
