import type { Codec } from './codec.js';
import { nativeCodec } from './native.js';

/** Every codec of this release, the first that takes an image reads it. */
export const CODECS: readonly Codec[] = [nativeCodec];
