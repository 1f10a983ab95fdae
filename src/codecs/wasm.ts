import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { resolve } = createRequire(import.meta.url);

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

export interface WasmFrame {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
  readonly isSigned?: boolean;
}

type Factory = (options: object) => Promise<Record<string, new () => WasmDecoder>>;

/**
 * One decoder, made on first use and used again for every frame, so that its memory is allocated once. A decoder that
 * fails is left to the collector with all its memory, because a trap may leave it in any state.
 */
export class SharedDecoder {
  #decoder: Promise<WasmDecoder> | null = null;

  /** `script` and `binary` name what a package exports, `decoder` the class in it. */
  constructor(
    readonly script: string,
    readonly binary: string,
    readonly decoder: string,
  ) {}

  /** Calls `work` with the decoder; nothing of the decoder may be kept. */
  async use<T>(work: (decoder: WasmDecoder) => T): Promise<T> {
    this.#decoder ??= this.#make();
    const decoder = await this.#decoder;
    try {
      return work(decoder);
    } catch (error) {
      this.#decoder = null;
      throw error;
    }
  }

  async #make(): Promise<WasmDecoder> {
    const { default: factory } = (await import(this.script)) as { default: Factory };
    const silent = (): void => {};
    const module = await factory({
      wasmBinary: readFileSync(resolve(this.binary)),
      print: silent,
      printErr: silent,
    });
    return new module[this.decoder]!();
  }
}
