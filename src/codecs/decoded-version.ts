/**
 * Names what the decoders make of a frame. It changes whenever one of them, or a package of theirs, gives other values or
 * notes than before for any frame, so that none of another kind is taken from the cache.
 */
export const DECODED_VERSION = 4;
