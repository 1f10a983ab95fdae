import type { Codec } from './codec.js';
import { deflatedFramesCodec } from './deflated-frames.js';
import { jpegCodec } from './jpeg.js';
import { jpegLsCodec } from './jpeg-ls.js';
import { jpegXlCodec } from './jpeg-xl.js';
import { htj2kCodec, jpeg2000Codec } from './jpeg2000.js';
import { nativeCodec } from './native.js';
import { rleCodec } from './rle.js';

/** Every codec of this release, the first that takes an image reads it; a large decoder is loaded with its first frame. */
export const CODECS: readonly Codec[] = [
  nativeCodec,
  rleCodec,
  deflatedFramesCodec,
  jpegCodec,
  jpegLsCodec,
  jpeg2000Codec,
  htj2kCodec,
  jpegXlCodec,
];
