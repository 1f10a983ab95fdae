/** Element types that travel; `bool` is one byte, 0 or 1. */
export type DType =
  | 'bool'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'int64'
  | 'float16'
  | 'float32'
  | 'float64';

const ELEMENT_BYTES: Readonly<Record<DType, number>> = {
  bool: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  float16: 2,
  int32: 4,
  float32: 4,
  int64: 8,
  float64: 8,
};

export function elementBytes(dtype: DType): number {
  return ELEMENT_BYTES[dtype];
}

export type TensorName = 'pairs' | 'affine' | 'spacing' | 'sourceShape' | 'images' | 'masks' | 'valid';

/** One tensor's place in a batch: little-endian, C order, `offset` from the start of the data section. */
export interface Tensor {
  readonly name: TensorName;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly sizeBytes: number;
}

/** What decides the shape of a batch: B = slots, C = channels, S = structures, H × W = rows × columns. */
export interface BatchShape {
  readonly slots: number;
  readonly channels: 1 | 3;
  readonly rows: number;
  readonly columns: number;
  readonly structures: number;
  readonly imageDtype: DType;
  readonly maskDtype: 'bool' | 'float32';
}

/** The tensors of one batch without gaps, in the order in which they are stored. */
export interface BatchLayout {
  readonly shape: BatchShape;
  readonly tensors: readonly Tensor[];
  readonly sizeBytes: number;
}

/**
 * Places the seven tensors of a batch by descending element size, ties in the contract's order, so that
 * each starts at a multiple of its element size.
 */
export function batchLayout(shape: BatchShape): BatchLayout {
  const { slots: b, channels: c, rows: h, columns: w, structures: s } = shape;
  const contract: [TensorName, DType, number[]][] = [
    ['pairs', 'int64', [b]],
    ['affine', 'float64', [b, 2, 3]],
    ['spacing', 'float64', [b, 2]],
    ['sourceShape', 'int32', [b, 2]],
    ['images', shape.imageDtype, [b, c, h, w]],
    ['masks', shape.maskDtype, [b, s, h, w]],
    ['valid', 'bool', [b]],
  ];
  const stored = contract
    .map(([name, dtype, dims], place) => ({ name, dtype, dims, place }))
    .sort((x, y) => elementBytes(y.dtype) - elementBytes(x.dtype) || x.place - y.place);
  const tensors: Tensor[] = [];
  let offset = 0;
  for (const { name, dtype, dims } of stored) {
    const sizeBytes = dims.reduce((product, n) => product * n, elementBytes(dtype));
    tensors.push({ name, dtype, shape: dims, offset, sizeBytes });
    offset += sizeBytes;
  }
  return { shape, tensors, sizeBytes: offset };
}

/** A tensor of a layout by its name. */
export function tensorOf(layout: BatchLayout, name: TensorName): Tensor {
  const tensor = layout.tensors.find((t) => t.name === name);
  if (!tensor) throw new Error(`no tensor ${name} in the layout`);
  return tensor;
}
