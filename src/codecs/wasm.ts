import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { PixelError } from '../core/pixels.js';

const { resolve } = createRequire(import.meta.url);

/**
 * V8 of Node 20 allots registers to very large functions in haste, and OpenJPEG's decoder of a code block is one: it runs a
 * seventh slower so. Later versions know neither the haste nor its flag.
 */
function allotRegistersWithCare(): void {
  if (process.versions.node.startsWith('20.'))
    setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions');
}

/** A decoder of one of the wasm packages: bytes go into its own memory, samples come out of it. */
export interface WasmDecoder {
  /** Room for an encoded frame, in the module's memory; valid until its memory grows. */
  getEncodedBuffer(length: number): Uint8Array;
  /** Samples by pixel, in the module's memory; valid until the next call. */
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): WasmFrame;
  /** JPEG-LS alone: 0 where the samples lie by component, else they lie by pixel. */
  getInterleaveMode?(): number;
}

interface WasmFrame {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
  readonly isSigned?: boolean;
}

interface Made extends WasmDecoder {
  /** Gives back what the decoder holds of the module's memory. */
  delete(): void;
}

type Classes = Record<string, new () => Made>;
type Factory = (options: object) => Promise<Classes>;

/**
 * One module, made on first use and used again for every frame, so that its memory is allocated once. One in which a
 * frame fails is left to the collector with all its memory, because a trap may leave it in any state.
 */
export class SharedModule {
  #module: Promise<Classes> | null = null;
  #said = { error: false, warning: false };

  /** `script` and `binary` name what a package exports, `decoder` the class in it. */
  constructor(
    readonly script: string,
    readonly binary: string,
    readonly decoder: string,
  ) {}

  /**
   * Calls `work` with a decoder that knows of no other frame; nothing of it may be kept. `warned`: the decoder printed a
   * warning. Throws `PixelError` where it printed an error and went on all the same.
   */
  async use<T>(work: (decoder: WasmDecoder) => T): Promise<{ result: T; warned: boolean }> {
    this.#module ??= this.#make();
    const { [this.decoder]: Decoder } = await this.#module;
    this.#said = { error: false, warning: false };
    try {
      // A decoder that fails without a word keeps the image before: each frame gets one of its own.
      const decoder = new Decoder!();
      const result = work(decoder);
      decoder.delete();
      if (this.#said.error) throw new PixelError('PIXELS_SHORT', 'the decoder reports an error in the frame');
      return { result, warned: this.#said.warning };
    } catch (error) {
      this.#module = null;
      throw error;
    }
  }

  async #make(): Promise<Classes> {
    allotRegistersWithCare();
    const { default: factory } = (await import(this.script)) as { default: Factory };
    // Kind alone: the text may quote the frame.
    const hear = (text: string): void => {
      if (/\berror\b/i.test(text)) this.#said.error = true;
      else if (/\bwarning\b/i.test(text)) this.#said.warning = true;
    };
    return factory({ wasmBinary: readFileSync(resolve(this.binary)), print: hear, printErr: hear });
  }
}
