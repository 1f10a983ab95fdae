import { crc32 } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { BatchLayout, TensorName } from '../src/core/layout.js';
import type { Lease } from '../src/engine/engine.js';
import { SlfError } from '../src/errors.js';
import { BodyStream } from '../src/plugins/send.js';
import type { Service } from '../src/service.js';
import type { Batch } from '../src/sessions/batch.js';
import type { Delivery } from '../src/sessions/session.js';
import type { BatchFormat, BatchMetadata, Body } from '../src/wire/body.js';
import { npyCrcSeed, npzBody } from '../src/wire/npz.js';
import { safetensorsBody } from '../src/wire/safetensors.js';

const MEDIA: readonly (readonly [BatchFormat, readonly string[]])[] = [
  ['safetensors', ['application/x-safetensors', 'application/octet-stream', 'application/*', '*/*']],
  ['npz', ['application/x-npz', 'application/*', '*/*']],
];
const CRC_CHUNK_BYTES = 1024 * 1024;

/** The form a body is sent in: `?format=`, else the one that Accept likes best (RFC 9110, section 12.5.1), else 406. */
export function chooseFormat(asked: BatchFormat | undefined, accept: string | undefined): BatchFormat {
  if (asked) return asked;
  if (accept === undefined || accept === '*/*') return 'safetensors';
  const qualities = new Map<string, number>();
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    qualities.set(type, quality === undefined ? 1 : Number(quality.slice(2)));
  }
  let best: { format: BatchFormat; quality: number; specificity: number } | null = null;
  for (const [format, types] of MEDIA) {
    // The most specific range that matches a form decides for it.
    const type = types.find((candidate) => qualities.has(candidate));
    if (type === undefined) continue;
    const quality = qualities.get(type)!;
    const specificity = type === '*/*' ? 0 : type.endsWith('/*') ? 1 : 2;
    if (!(quality > 0)) continue;
    const isBetter =
      !best || quality > best.quality || (quality === best.quality && specificity > best.specificity);
    if (isBetter) best = { format, quality, specificity };
  }
  if (best) return best.format;
  throw new SlfError(
    'SLF_NOT_ACCEPTABLE',
    'ask for application/x-safetensors or application/x-npz, or add ?format=',
  );
}

/** Whether the client has these bytes already; tags are compared weakly (RFC 9110, section 13.1.2). */
export function isKnown(request: FastifyRequest, etag: string): boolean {
  const known = request.headers['if-none-match'];
  if (known === undefined) return false;
  return known.trim() === '*' || known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** The body of a loaded batch in one of the formats. */
export async function bodyOf(
  {
    batch,
    lease,
  }: {
    readonly batch: {
      readonly layout: BatchLayout;
      readonly metadata: BatchMetadata;
      /** Where it was made ahead. */
      readonly safetensors?: Body;
    };
    readonly lease: Pick<Lease, 'read'>;
  },
  format: BatchFormat,
): Promise<Body> {
  if (format === 'safetensors') return batch.safetensors ?? safetensorsBody(batch.layout, batch.metadata);
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
  { metrics, summaries }: Service,
  { batch, warm, waitMs }: Pick<Delivery, 'warm' | 'waitMs'> & { readonly batch: Pick<Batch, 'order'> },
  body: Body,
  startedAt: number,
  whole: boolean,
): void {
  const sendMs = performance.now() - startedAt;
  const { label } = batch.order;
  const bytes = body.sizeBytes;
  metrics.wait.observe({ warm }, waitMs / 1000);
  metrics.send.observe(sendMs / 1000);
  metrics.bytes.observe(bytes);
  (whole ? metrics.delivered : metrics.aborted).inc();
  if (typeof label.session === 'string') summaries.add(label.session, { bytes, warm, waitMs, sendMs, whole });
  const line = { ...label, bytes, waitedMs: rounded(waitMs), warm, sendMs: rounded(sendMs) };
  request.log.debug(line, whole ? 'batch sent' : 'batch not taken: the reader left');
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** Sends a loaded batch with the headers that all batches have, and ends the delivery; `record` runs before its end leaves. */
export async function respondBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  service: Service,
  delivery: Delivery,
  format: BatchFormat,
  name: string,
  record: () => void = () => {},
): Promise<void> {
  const { warm, waitMs, lease } = delivery;
  try {
    const body = await bodyOf(delivery, format);
    const startedAt = performance.now();
    reply.headers({
      etag: delivery.etag(format),
      'cache-control': 'private, no-cache',
      'content-disposition': `attachment; filename="${name}.${body.extension}"`,
      'slicefeed-bytes': String(body.sizeBytes),
      'slicefeed-warm': warm,
      'server-timing': `wait;dur=${waitMs.toFixed(2)}`,
    });
    const out = new BodyStream(request, reply, service.buffers, body.contentType);
    const whole = await out.writeLast(body, lease, record);
    logSent(request, service, delivery, body, startedAt, whole);
  } finally {
    delivery.end();
  }
}
