import type { HeaderProblem } from '../core/dicom.js';
import type { Codec } from './codec.js';
import { jpegCodec } from './jpeg.js';
import { jpegLsCodec } from './jpeg-ls.js';
import { htj2kCodec, jpeg2000Codec } from './jpeg2000.js';

const FAMILIES: ReadonlyMap<Codec, string> = new Map<Codec, string>([
  [jpegCodec, 'a JPEG image'],
  [jpegLsCodec, 'a JPEG-LS image'],
  [jpeg2000Codec, 'a JPEG 2000 codestream'],
  [htj2kCodec, 'a JPEG 2000 codestream'],
]);

/**
 * The codec that reads what a frame is by its own first bytes, where the file's transfer syntax names another of the JPEG
 * family, with what to say of it; null where the two agree or nothing can be told.
 */
export function codecOfContent(
  frame: Uint8Array,
  chosen: Codec,
): { readonly codec: Codec; readonly note: HeaderProblem } | null {
  if (!FAMILIES.has(chosen)) return null;
  const codec = told(frame);
  if (codec === null || FAMILIES.get(codec) === FAMILIES.get(chosen)) return null;
  const detail = `the frame is ${FAMILIES.get(codec)}, which the transfer syntax does not say`;
  return { codec, note: { code: 'TRANSFER_SYNTAX_ODD', detail } };
}

function told(frame: Uint8Array): Codec | null {
  if (frame[0] === 0xff && frame[1] === 0x4f && frame[2] === 0xff && frame[3] === 0x51) return jpeg2000Codec;
  if (frame[0] !== 0xff || frame[1] !== 0xd8) return null;
  // The first marker that only one of the two has: a frame of JPEG-LS, or one, or a table, of JPEG.
  for (let at = 2; at + 4 <= frame.length && frame[at] === 0xff; ) {
    const marker = frame[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xf7) return jpegLsCodec;
    if (marker >= 0xc0 && marker <= 0xcf) return jpegCodec;
    at += 2 + ((frame[at + 2]! << 8) | frame[at + 3]!);
  }
  return null;
}
