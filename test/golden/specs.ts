/** A golden session: its request, and the number of steps to read of each rank. */
export interface GoldenSpec {
  readonly name: string;
  readonly steps: number;
  readonly spec: Readonly<Record<string, unknown>>;
}

const still = { shuffle: false, epochs: 1 };

/**
 * Every value of every field of a session, over a folder of small studies of every shape and kind of pixels
 * (`MIXED`).
 */
const MIXED_SPECS: readonly GoldenSpec[] = [
  ...(['stored', 'rescaled', 'windowed'] as const).flatMap((values) =>
    (['none', 'minmax', 'zscore'] as const).map((normalize) => ({
      name: `values ${values}, normalize ${normalize}`,
      steps: 20,
      spec: {
        ...still,
        batchSize: 1,
        structures: [],
        excludeStudies: ['EVE'],
        image: { values, normalize, ...(normalize === 'none' ? {} : { dtype: 'float32' }) },
      },
    })),
  ),
  ...(['int16', 'uint16', 'int32', 'float16', 'float32'] as const).map((dtype) => ({
    name: `dtype ${dtype}`,
    steps: 3,
    spec: { ...still, studies: ['ANN-1'], image: { dtype, values: 'stored' } },
  })),
  {
    name: 'dtype uint8, onError mask',
    steps: 3,
    spec: {
      ...still,
      studies: ['FAY'],
      structures: ['i'],
      batchSize: 3,
      image: { dtype: 'uint8' },
      onError: 'mask',
    },
  },
  {
    name: 'colour as the files',
    steps: 2,
    spec: { ...still, studies: ['EVE'], structures: ['i'], batchSize: 2 },
  },
  {
    name: 'channels 3',
    steps: 9,
    spec: {
      ...still,
      structures: ['i'],
      batchSize: 4,
      image: { channels: 3 },
      shape: { fit: 'resize', rows: 32, columns: 24 },
    },
  },
  {
    name: 'channels 1',
    steps: 9,
    spec: { ...still, structures: ['i'], batchSize: 4, image: { channels: 1 }, shape: { fit: 'pad' } },
  },
  ...(['pad', 'crop', 'resize'] as const).flatMap((fit) =>
    [{}, { rows: 31, columns: 33 }].map((size) => ({
      name: `fit ${fit}${'rows' in size ? ' to 31 x 33' : ''}`,
      steps: 9,
      spec: {
        ...still,
        structures: ['i'],
        excludeStudies: ['EVE'],
        batchSize: 3,
        shape: { fit, fill: 5, ...size },
      },
    })),
  ),
  ...(['pixel-center', 'pil', 'opencv', 'coverage'] as const).flatMap((rule) =>
    (['integer', 'half'] as const).map((origin) => ({
      name: `rule ${rule}, origin ${origin}`,
      steps: 4,
      spec: { ...still, studies: ['ANN-1'], structures: ['o', 'i'], batchSize: 2, mask: { rule, origin } },
    })),
  ),
  {
    name: 'missing empty',
    steps: 3,
    spec: { ...still, studies: ['ANN-1'], structures: ['i', 'o'], missing: 'empty', batchSize: 4 },
  },
  {
    name: 'rename',
    steps: 3,
    spec: {
      ...still,
      studies: ['ANN-1', 'DAN'],
      rename: { inner: ['i', 'lv'] },
      structures: ['inner'],
      batchSize: 4,
    },
  },
  {
    name: 'where modality',
    steps: 3,
    spec: { ...still, where: { modality: ['CT'] }, structures: ['i'], batchSize: 3 },
  },
  {
    name: 'exclude',
    steps: 3,
    spec: { ...still, studies: ['ANN-1'], structures: ['i'], exclude: ['TINY', 'FEW_POINTS'], batchSize: 2 },
  },
  {
    name: 'split',
    steps: 3,
    spec: {
      ...still,
      structures: ['i'],
      split: { of: 3, parts: [0, 2], seed: 1 },
      batchSize: 4,
      shape: { fit: 'pad' },
      excludeStudies: ['EVE'],
    },
  },
];

/** Orders, ranks and last batches, over a phantom. */
const PHANTOM_SPECS: readonly GoldenSpec[] = [
  { name: 'all defaults', steps: 4, spec: {} },
  ...[0, 1, 9_007_199_254_740_991].map((seed) => ({
    name: `shuffled, seed ${seed}`,
    steps: 12,
    spec: { structures: ['i'], seed, batchSize: 4, epochs: 2 },
  })),
  ...(['keep', 'drop', 'pad'] as const).map((lastBatch) => ({
    name: `lastBatch ${lastBatch}`,
    steps: 9,
    spec: { ...still, structures: ['i', 'o'], batchSize: 5, lastBatch },
  })),
  { name: 'three ranks', steps: 5, spec: { structures: ['i'], batchSize: 6, worldSize: 3, epochs: 1 } },
  {
    name: 'two ranks, keep',
    steps: 5,
    spec: { structures: ['i'], batchSize: 6, worldSize: 2, epochs: 1, lastBatch: 'keep' },
  },
  { name: 'images only', steps: 3, spec: { structures: [], batchSize: 16, epochs: 1, prefetch: 0 } },
];

/**
 * Multi-frame images, structure sets, segmentations and every transfer syntax, over the folders of
 * `../shared/data`.
 */
const SHARED_SPECS: Readonly<Record<string, readonly GoldenSpec[]>> = {
  sunnybrook: [
    { name: 'inner contours', steps: 4, spec: { ...still, structures: ['i'], batchSize: 8 } },
    {
      name: 'inner and outer, pil',
      steps: 3,
      spec: { ...still, structures: ['i', 'o'], mask: { rule: 'pil' }, batchSize: 8 },
    },
    {
      name: 'inner or outer, windowed',
      steps: 3,
      spec: {
        ...still,
        structures: ['i', 'o'],
        missing: 'empty',
        image: { values: 'windowed' },
        batchSize: 8,
      },
    },
  ],
  rtstruct: (['standard', 'xor', 'union'] as const).map((holes) => ({
    name: `structure set, holes ${holes}`,
    steps: 6,
    spec: { ...still, batchSize: 1, mask: { holes } },
  })),
  seg: [{ name: 'segmentations', steps: 12, spec: { ...still, batchSize: 1, sources: { join: true } } }],
  dicom: [
    {
      name: 'every transfer syntax, stored',
      steps: 400,
      spec: {
        ...still,
        structures: [],
        batchSize: 1,
        image: { values: 'stored', channels: 1 },
        onError: 'mask',
      },
    },
    {
      name: 'every transfer syntax, windowed',
      steps: 400,
      spec: {
        ...still,
        structures: [],
        batchSize: 1,
        image: { values: 'windowed', channels: 1 },
        onError: 'mask',
      },
    },
  ],
};

/**
 * For each source the sessions that are held: two folders that tests make, and folders of the shared data.
 */
export const GOLDEN: Readonly<Record<string, readonly GoldenSpec[]>> = {
  mixed: MIXED_SPECS,
  phantom: PHANTOM_SPECS,
  ...SHARED_SPECS,
};
