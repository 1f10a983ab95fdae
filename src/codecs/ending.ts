import type { HeaderProblem } from '../core/dicom.js';

const [FIRST, SECOND] = [0xff, 0xd9];
/** Bytes other than zeros that may follow the end of an image. */
const MAX_PADDING = 64;

export const END_ADDED: HeaderProblem = {
  code: 'PIXELS_DAMAGED',
  detail: 'the compressed image lacks its last marker; it was added',
};

/** Whether the last marker of a JPEG-LS image or of a JPEG 2000 codestream (FF D9 in both) is there, before what fills up the frame. */
export function hasEnd(bytes: Uint8Array): boolean {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  for (let at = end - 2; at >= Math.max(0, end - MAX_PADDING); at--)
    if (bytes[at] === FIRST && bytes[at + 1] === SECOND) return true;
  return false;
}

/** A copy with the last marker behind it, so that a decoder does not go on behind the end. */
export function withEnd(bytes: Uint8Array): Uint8Array {
  const ended = new Uint8Array(bytes.length + 2);
  ended.set(bytes);
  ended.set([FIRST, SECOND], bytes.length);
  return ended;
}
