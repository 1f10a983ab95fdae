import { SlfError } from '../errors.js';

/** Which request a batch is for: each has other fields that make it smaller. */
type Request = 'session' | 'masks';

const SMALLER: Readonly<Record<Request, string>> = {
  session: 'choose a smaller shape with shape.fit, shape.rows and shape.columns, ask for fewer structures',
  masks: 'ask for fewer structures',
};

/** Throws `SlfError` if a batch of one rank has more bytes than the limit. `pairs` is how many it holds. */
export function checkBatchBytes(
  sizeBytes: number,
  pairs: number,
  limitBytes: number,
  request: Request,
): void {
  if (sizeBytes <= limitBytes) return;
  const isOne = pairs === 1;
  const what = isOne ? 'a batch of one pair' : `a batch of ${pairs} pairs`;
  const smaller = isOne ? SMALLER[request] : 'make batchSize smaller';
  const field = !isOne ? 'batchSize' : request === 'session' ? 'shape' : 'structures';
  throw new SlfError(
    'SLF_BATCH_TOO_LARGE',
    `${what} has ${sizeBytes} bytes, the limit is ${limitBytes}: ${smaller}, or raise SLICEFEED_BATCH_BYTES`,
    { field },
  );
}
