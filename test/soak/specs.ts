/** The spec of the soak's session of this number: each another mixture, without end, and every one a multiple of `world` pairs a batch. */
export function specOf(number: number, world: number): Record<string, unknown> {
  const kinds = [
    { structures: ['i'], batchSize: 2 * world, prefetch: 1 },
    { structures: ['o'], batchSize: 4 * world, prefetch: 4, lastBatch: 'pad', image: { values: 'windowed' } },
    { structures: [], batchSize: 3 * world, prefetch: 0, lastBatch: 'drop' },
    {
      structures: ['i'],
      batchSize: 5 * world,
      prefetch: 2,
      lastBatch: 'keep',
      shape: { fit: 'resize', rows: 48, columns: 40 },
      image: { normalize: 'zscore', dtype: 'float16' },
      onError: 'mask',
    },
  ];
  return { ...kinds[number % kinds.length], worldSize: world, seed: 1000 + number };
}
