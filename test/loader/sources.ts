import { createHash } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ImageHeader, readHeader } from '../../src/core/dicom.js';
import { guardOf } from '../../src/core/guard.js';
import { type BatchLayout, type TensorName, tensorOf } from '../../src/core/layout.js';
import { packPart } from '../../src/core/packed-part.js';
import type { Part } from '../../src/core/part.js';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { EXPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';
import type { PairSource, Recipe } from '../../src/loader/messages.js';
import { type SlotSource, sealSource } from '../../src/loader/sealed.js';
import { LIMITS } from './scripted.js';

/** A recipe that takes stored values as they are, or as the changes say. */
export function recipe(changes: Partial<Recipe> = {}): Recipe {
  return {
    values: 'stored',
    normalize: 'none',
    fit: 'exact',
    fill: 0,
    dtype: 'int16',
    rule: 'pixel-center',
    ...changes,
  };
}

/** A file's guard now. */
export function guardAt(...path: string[]): string {
  return guardOf(statSync(join(...path), { bigint: true }));
}

export function dicomFile(image: ImageOptions, transferSyntax = EXPLICIT_LITTLE): Uint8Array {
  return writePart10(imageElements(image), { transferSyntax });
}

function headerOf(bytes: Uint8Array): ImageHeader {
  const read = readHeader(bytes, bytes.length, LIMITS);
  if (read.kind !== 'header') throw new Error(JSON.stringify(read));
  return read.header;
}

/** Writes an image and says of it what a scan would. */
export function writeImage(
  root: string,
  path: string,
  image: ImageOptions,
  transferSyntax?: string,
): PairSource {
  const bytes = dicomFile(image, transferSyntax);
  writeFileSync(join(root, path), bytes);
  const header = headerOf(bytes);
  return {
    root,
    path,
    guard: guardAt(root, path),
    header,
    headerDigest: createHash('sha256').update(bytes.subarray(0, header.headerBytes)).digest('hex'),
    checksum: null,
    frame: 0,
  };
}

/** Seals a source as the catalogue does, which has headers as text and parts packed. */
export function sealed({ source, extents }: SlotSource): ReturnType<typeof sealSource> {
  const names = extents.map((_, at) => [`structure ${at}`]);
  const parts = extents.flatMap(({ regions, rasters }, at) => {
    const drawn: Part[] = [
      ...regions.flatMap((region, roi) => region.map((points) => ({ kind: 'xor' as const, roi, points }))),
      ...rasters.map((raster) => ({ kind: 'raster' as const, raster })),
    ];
    return drawn.map((part) => ({ structure: names[at]![0]!, ...packPart(part) }));
  });
  return sealSource({
    source: { ...source, header: JSON.stringify(source.header) },
    drawn: { parts, outlining: { names, holes: 'standard', originShift: 0 } },
  });
}

/** The elements of a tensor in the bytes of a segment, as numbers. */
export function tensorValues(layout: BatchLayout, bytes: Buffer, name: TensorName): number[] {
  const { offset, sizeBytes, dtype } = tensorOf(layout, name);
  const part = bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + sizeBytes);
  switch (dtype) {
    case 'int64':
      return Array.from(new BigInt64Array(part), Number);
    case 'float64':
      return Array.from(new Float64Array(part));
    case 'float32':
      return Array.from(new Float32Array(part));
    case 'int32':
      return Array.from(new Int32Array(part));
    case 'int16':
      return Array.from(new Int16Array(part));
    case 'uint16':
      return Array.from(new Uint16Array(part));
    case 'float16':
      throw new Error('no test reads float16');
    default:
      return Array.from(new Uint8Array(part));
  }
}
