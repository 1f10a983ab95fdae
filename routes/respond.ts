import { crc32 } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TensorName } from '../src/core/layout.js';
import { SlfError } from '../src/errors.js';
import { BodyStream } from '../src/plugins/send.js';
import type { Service } from '../src/service.js';
import type { Delivery } from '../src/sessions/session.js';
import type { BatchFormat, Body } from '../src/wire/body.js';
import { npyCrcSeed, npzBody } from '../src/wire/npz.js';
import { safetensorsBody } from '../src/wire/safetensors.js';

const MEDIA: Readonly<Record<string, BatchFormat>> = {
  'application/x-safetensors': 'safetensors',
  'application/octet-stream': 'safetensors',
  'application/*': 'safetensors',
  '*/*': 'safetensors',
  'application/x-npz': 'npz',
};
const CRC_CHUNK_BYTES = 1024 * 1024;

/** The form a body is sent in: `?format=`, else the best that Accept takes, else 406. */
export function chooseFormat(asked: BatchFormat | undefined, accept: string | undefined): BatchFormat {
  if (asked) return asked;
  const ranges = (accept ?? '*/*').split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) };
  });
  ranges.sort((a, b) => b.quality - a.quality);
  for (const { type, quality } of ranges) {
    const format = MEDIA[type];
    if (format && quality > 0) return format;
  }
  throw new SlfError(
    'SLF_NOT_ACCEPTABLE',
    'ask for application/x-safetensors or application/x-npz, or add ?format=',
  );
}

/** Whether the asker has these bytes already. */
export function isKnown(request: FastifyRequest, etag: string): boolean {
  const known = request.headers['if-none-match'];
  return known !== undefined && (known.trim() === '*' || known.split(',').some((tag) => tag.trim() === etag));
}

/** The body of a loaded batch in one of the formats. */
export async function bodyOf({ batch, lease }: Delivery, format: BatchFormat): Promise<Body> {
  if (format === 'safetensors') return safetensorsBody(batch.layout, batch.metadata);
  const crcs = new Map<TensorName, number>();
  const buffer = Buffer.allocUnsafe(CRC_CHUNK_BYTES);
  for (const tensor of batch.layout.tensors) {
    let crc = npyCrcSeed(tensor);
    for (let done = 0; done < tensor.sizeBytes; ) {
      const part = Math.min(CRC_CHUNK_BYTES, tensor.sizeBytes - done);
      lease.read(tensor.offset + done, part, buffer);
      crc = crc32(buffer.subarray(0, part), crc);
      done += part;
      if (done < tensor.sizeBytes) await new Promise((resolve) => setImmediate(resolve));
    }
    crcs.set(tensor.name, crc);
  }
  return npzBody(batch.layout, batch.metadata, crcs);
}

/** Logs and measures a body that was sent, or that its reader left. */
export function logSent(
  request: FastifyRequest,
  { metrics }: Service,
  { batch, warm, waitMs }: Delivery,
  body: Body,
  startedAt: number,
  whole: boolean,
): void {
  const sendMs = performance.now() - startedAt;
  metrics.wait.observe({ warm }, waitMs / 1000);
  metrics.send.observe(sendMs / 1000);
  metrics.bytes.observe(body.sizeBytes);
  (whole ? metrics.delivered : metrics.aborted).inc();
  const line = {
    ...batch.order.label,
    bytes: body.sizeBytes,
    waitedMs: rounded(waitMs),
    warm,
    sendMs: rounded(sendMs),
  };
  request.log.info(line, whole ? 'batch sent' : 'batch not taken: the reader left');
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** Sends a loaded batch with the headers that all batches have, and ends the delivery; `record` runs before its last byte leaves. */
export async function respondBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  service: Service,
  delivery: Delivery,
  format: BatchFormat,
  name: string,
  record: () => void = () => {},
): Promise<void> {
  const { batch, warm, waitMs, lease } = delivery;
  try {
    const body = await bodyOf(delivery, format);
    const startedAt = performance.now();
    reply.headers({
      etag: batch.etag(format),
      'cache-control': 'private, no-cache',
      'content-disposition': `attachment; filename="${name}.${body.extension}"`,
      'slicefeed-bytes': String(body.sizeBytes),
      'slicefeed-warm': warm,
      'server-timing': `wait;dur=${waitMs.toFixed(2)}`,
    });
    const out = new BodyStream(request, reply, service.buffers, body.contentType);
    const whole = (await out.write(body, lease, record)) && (await out.end());
    logSent(request, service, delivery, body, startedAt, whole);
  } finally {
    delivery.end();
  }
}
