import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { SlfError } from '../src/errors.js';
import { answerTo } from '../src/plugins/failure.js';
import { BodyStream, firstInLine } from '../src/plugins/send.js';
import type { Service } from '../src/service.js';
import type { Session } from '../src/sessions/session.js';
import { problemBody, safetensorsBody } from '../src/wire/safetensors.js';
import { chooseFormat, logSent } from './respond.js';
import { BatchBody, Format, problems, query, Rank, SessionParams } from './schemas.js';

/** Batch after batch in one response. */
export const stream: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { sessions } = service;
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });

  app.get(
    '/v1/sessions/:id/stream',
    {
      config: { rate: 'spared' },
      exposeHeadRoute: false,
      schema: {
        summary: 'Batch bodies one after the other, as fast as the reader reads',
        description:
          'From step `from` up to, not with, step `to` (default: the end). Each body ends at 8 + header + largest offset. If loading fails on the way, a last body without tensors says why.',
        tags: ['batches'],
        params: SessionParams,
        querystring: query({
          from: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }),
          to: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
          rank: Rank,
          format: Format,
        }),
        response: { 200: BatchBody, ...problems(400, 404, 406, 409, 410, 422, 503) },
      },
    },
    async (request, reply) => {
      const { from, to, rank, format } = request.query;
      if (chooseFormat(format, request.headers.accept) !== 'safetensors')
        throw new SlfError('SLF_NOT_ACCEPTABLE', 'bodies that follow each other are safetensors only');
      const session = sessions.get(request.params.id);
      if (to !== undefined && to <= from)
        throw new SlfError('SLF_INVALID', `to is the step after the last one: more than from, ${from}`, {
          field: 'to',
        });
      session.check(from, rank);
      const end = Math.min(to ?? Number.POSITIVE_INFINITY, session.plan.steps ?? Number.POSITIVE_INFINITY);
      await firstInLine(request, reply);
      // The first batch is there before the answer begins, so that what is wrong with it is a proper error.
      let delivery = await session.fetch(from, rank, request.gone);
      reply.headers({ 'slicefeed-session': session.stored.id, 'slicefeed-rank': String(rank) });
      const out = new BodyStream(request, reply, service.buffers, 'application/x-safetensors');
      for (let step = from; ; ) {
        const { batch, lease } = delivery;
        const startedAt = performance.now();
        let whole = false;
        try {
          const body = safetensorsBody(batch.layout, batch.metadata);
          const epoch = session.plan.epochOf(step);
          const at = { epoch, rank, step, movesCursor: false };
          whole = await out.write(body, lease, () => sessions.store.delivered(session.stored.id, at));
          logSent(request, service, delivery, body, startedAt, whole);
        } finally {
          delivery.end();
        }
        if (!whole) return reply;
        step++;
        if (step >= end) break;
        try {
          if (closing) throw new SlfError('SLF_CLOSING', 'ask for the rest when the service is back');
          delivery = await session.fetch(step, rank, request.gone);
        } catch (error) {
          if (request.gone.aborted) return reply;
          await out.write(problemBody(problemOf(session, step, rank, error)), null);
          break;
        }
      }
      await out.end();
      return reply;
    },
  );
};

function problemOf(session: Session, step: number, rank: number, error: unknown) {
  const { code, detail, subject } = answerTo(error);
  return {
    ...session.batch(step, rank).metadata,
    problems: [{ code, pair: subject.pair ?? null, file: subject.file ?? null, detail }],
  };
}
