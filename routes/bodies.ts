import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SlfError } from '../src/errors.js';
import { answerTo } from '../src/plugins/failure.js';
import { BodyStream } from '../src/plugins/send.js';
import type { Service } from '../src/service.js';
import type { Delivery } from '../src/sessions/session.js';
import type { BatchFormat, BatchMetadata } from '../src/wire/body.js';
import { problemBody } from '../src/wire/safetensors.js';
import { chooseFormat, logSent } from './respond.js';

/** Bodies that follow each other in one answer. */
export interface Bodies {
  /** There before the answer begins, so that what is wrong with it is a proper error. */
  readonly first: Delivery;
  /** The next one, or null behind the last. What it throws becomes the last body, which has no tensors. */
  next(): Promise<Delivery | null>;
  /** Runs when all of a body but its end has left. */
  sent(): void;
  /** What the body that could not be made would have said of itself. */
  unmade(): BatchMetadata;
}

/** Throws `SLF_NOT_ACCEPTABLE` where anything but safetensors is asked for. */
export function refuseOtherFormats(format: BatchFormat | undefined, accept: string | undefined): void {
  if (chooseFormat(format, accept) !== 'safetensors')
    throw new SlfError('SLF_NOT_ACCEPTABLE', 'bodies that follow each other are safetensors only');
}

/** Answers a check that throws `SLF_CLOSING` once the service closes, to be made between two bodies. */
export function closingCheck(app: FastifyInstance): () => void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  return () => {
    if (closing) throw new SlfError('SLF_CLOSING', 'ask for the rest when the service is back');
  };
}

/** Sends bodies one after the other, as fast as the reader reads, and ends each delivery. */
export async function respondBodies(
  request: FastifyRequest,
  reply: FastifyReply,
  service: Service,
  bodies: Bodies,
): Promise<void> {
  const out = new BodyStream(request, reply, service.buffers, 'application/x-safetensors');
  for (let delivery: Delivery | null = bodies.first; delivery; ) {
    const { batch, lease } = delivery;
    const startedAt = performance.now();
    let whole = false;
    try {
      const body = batch.safetensors;
      whole = await out.write(body, lease, () => bodies.sent());
      logSent(request, service, delivery, body, startedAt, whole);
    } finally {
      delivery.end();
    }
    if (!whole) return;
    try {
      delivery = await bodies.next();
    } catch (error) {
      if (request.gone.aborted) return;
      await out.write(problemBody(withProblem(bodies.unmade(), error)), null);
      break;
    }
  }
  await out.end();
}

function withProblem(metadata: BatchMetadata, error: unknown): BatchMetadata {
  const { code, detail, subject } = answerTo(error);
  return {
    ...metadata,
    problems: [{ code, pair: subject.pair ?? null, file: subject.file ?? null, detail }],
  };
}
