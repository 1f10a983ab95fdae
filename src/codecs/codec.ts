import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { transferSyntaxName } from '../core/dicom-uids.js';
import type { StoredValues } from '../core/pixels.js';

/** One frame's stored values, C × H × W in C order: `channels` planes of `rows` × `columns`, cut to BitsStored. */
export interface DecodedFrame {
  /** May be a view of the bytes that were decoded: to be used before those are overwritten. */
  readonly values: StoredValues;
  readonly channels: 1 | 3;
  readonly rows: number;
  readonly columns: number;
  /** What the values are where that is not the header's photometric interpretation: a decoder may convert colour. */
  readonly photometric?: string;
  /** What disagreed with the header and was read around. */
  readonly notes?: readonly HeaderProblem[];
}

/** Turns one frame's bytes, as they are in the file, into stored values. */
export interface Codec {
  /** The UIDs that it reads. */
  readonly transferSyntaxes: readonly string[];
  /** Why it can't read an image of one of its transfer syntaxes (`PIXELS_UNSUPPORTED`), null where it can. */
  refuses(header: ImageHeader): HeaderProblem | null;
  /**
   * Returns where a frame describes itself otherwise than the header and every decode reads it all the same.
   * Needs the first bytes of the frame, or all of them if `isWhole`. Throws `PixelError` if every decode
   * will; `PIXELS_SHORT` may mean that more bytes are needed.
   */
  inspect(frame: Uint8Array, header: ImageHeader, isWhole: boolean): readonly HeaderProblem[];
  /** Whether frames end with the marker that `hasEnd` looks for; a frame without it is inspected whole. */
  readonly endsWithMarker?: true;
  /**
   * Keeps no reference to `frameBytes` (all fragments of the frame in a row), other than in what it returns. Throws, or
   * rejects with, `PixelError` where the bytes are not a frame as the header describes it; values of another number or
   * size are never returned. `frame` counts from 0.
   */
  decode(frameBytes: Uint8Array, header: ImageHeader, frame: number): DecodedFrame | Promise<DecodedFrame>;
}

export type CodecChoice =
  | { readonly codec: Codec; readonly problem: null }
  | { readonly codec: null; readonly problem: HeaderProblem };

/** The first codec for an image's transfer syntax that takes its pixel description, else why there is none. */
export function chooseCodec(codecs: readonly Codec[], header: ImageHeader): CodecChoice {
  let problem: HeaderProblem | null = null;
  for (const codec of codecs) {
    if (!codec.transferSyntaxes.includes(header.transferSyntax)) continue;
    problem = codec.refuses(header);
    if (problem === null) return { codec, problem };
  }
  return { codec: null, problem: problem ?? unread(header) };
}

function unread({ transferSyntax }: ImageHeader): HeaderProblem {
  const name = transferSyntaxName(transferSyntax) ?? 'the transfer syntax';
  return { code: 'TRANSFER_SYNTAX_UNSUPPORTED', detail: `${name} is not read; convert the file` };
}
