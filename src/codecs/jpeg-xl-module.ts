import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { resolve } = createRequire(import.meta.url);
const BINARY = 'dcmjs-codecs/build/dcmjs-native-codecs.wasm';
const SUCCESS = 0;

/** What the wasm of dcmjs-codecs exports, as far as it is used; a context is an address in its memory. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  CreateCodecsContext(): number;
  ReleaseCodecsContext(context: number): void;
  CreateDecoderParameters(): number;
  ReleaseDecoderParameters(parameters: number): void;
  SetColumns(context: number, value: number): void;
  SetRows(context: number, value: number): void;
  SetSamplesPerPixel(context: number, value: number): void;
  SetBitsAllocated(context: number, value: number): void;
  SetBitsStored(context: number, value: number): void;
  SetEncodedBufferSize(context: number, bytes: number): void;
  GetEncodedBuffer(context: number): number;
  DecodeJpegXl(context: number, parameters: number): void;
  GetDecodedBuffer(context: number): number;
  GetDecodedBufferSize(context: number): number;
}

/** The part of `WebAssembly` that is used, which the types of Node do not have. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

let compiled: object | null = null;
let instance: Exports | null = null;

function make(): Exports {
  const nothing = (): number => SUCCESS;
  // Exceptions of the module come as calls, with a text that may quote the frame; the module must not go on behind them.
  const stop = (): never => {
    throw new Error('the decoder failed');
  };
  const imports = {
    env: {
      onCodecsException: stop,
      onCodecsInfo: nothing,
      onCodecsTrace: nothing,
      emscripten_notify_memory_growth: nothing,
    },
    wasi_snapshot_preview1: {
      proc_exit: stop,
      clock_time_get: nothing,
      // Says that nothing could be written, and writes nothing.
      fd_write: () => 8,
      fd_close: nothing,
      fd_seek: nothing,
      environ_sizes_get: (count: number, bytes: number) => {
        const view = new DataView(made.memory.buffer);
        view.setUint32(count, 0, true);
        view.setUint32(bytes, 0, true);
        return SUCCESS;
      },
      environ_get: nothing,
    },
  };
  compiled ??= new WebAssembly.Module(readFileSync(resolve(BINARY)));
  const made = new WebAssembly.Instance(compiled, imports).exports as Exports;
  made._initialize();
  return made;
}

/**
 * Decodes a JPEG XL image (ISO/IEC 18181), whose header was compared with what is asked for: the decoder allocates what its
 * header says. Gives samples by pixel, of one byte each, or of two and scaled to 16 bits where they have more than 8.
 * Throws an `Error` without a word of the frame.
 */
export function decodeXl(
  frame: Uint8Array,
  image: {
    readonly rows: number;
    readonly columns: number;
    readonly channels: number;
    readonly bits: number;
  },
): Uint8Array {
  instance ??= make();
  const codec = instance;
  try {
    const context = codec.CreateCodecsContext();
    const parameters = codec.CreateDecoderParameters();
    codec.SetColumns(context, image.columns);
    codec.SetRows(context, image.rows);
    codec.SetSamplesPerPixel(context, image.channels);
    codec.SetBitsAllocated(context, image.bits > 8 ? 16 : 8);
    codec.SetBitsStored(context, image.bits);
    codec.SetEncodedBufferSize(context, frame.length);
    new Uint8Array(codec.memory.buffer).set(frame, codec.GetEncodedBuffer(context));
    codec.DecodeJpegXl(context, parameters);
    const [at, length] = [codec.GetDecodedBuffer(context), codec.GetDecodedBufferSize(context)];
    const bytes = new Uint8Array(codec.memory.buffer, at, length).slice();
    codec.ReleaseDecoderParameters(parameters);
    codec.ReleaseCodecsContext(context);
    return bytes;
  } catch (error) {
    // It was left in the middle: nothing is known of its memory.
    instance = null;
    throw error;
  }
}
