import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { SlfError } from '../src/errors.js';
import type { Service } from '../src/service.js';
import { closingCheck, refuseOtherFormats, respondBodies } from './bodies.js';
import { BatchBodies, Format, LAST_STEP, problems, query, Rank, SessionParams } from './schemas.js';

/** Batch after batch in one response. */
export const stream: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { sessions } = service;
  const refuseClosing = closingCheck(app);

  app.get(
    '/v1/sessions/:id/stream',
    {
      config: { rate: 'spared', compiled: 'early' },
      exposeHeadRoute: false,
      schema: {
        operationId: 'streamBatches',
        summary: 'Batch bodies one after the other, as fast as the reader reads',
        description:
          'From step `from` up to, not with, step `to` (default: the end). A session without `epochs` has no end: give `to`, or close the connection. Each body ends at 8 + header + largest offset. If loading fails on the way, a last body without tensors says why.',
        tags: ['batches'],
        params: SessionParams,
        querystring: query({
          from: Type.Integer({ minimum: 0, maximum: LAST_STEP, default: 0 }),
          to: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
          rank: Rank,
          format: Format,
        }),
        response: { 200: BatchBodies, ...problems(400, 404, 406, 409, 410, 422, 503) },
      },
    },
    async (request, reply) => {
      const { from, to, rank, format } = request.query;
      refuseOtherFormats(format, request.headers.accept);
      const session = sessions.get(request.params.id);
      if (to !== undefined && to <= from)
        throw new SlfError('SLF_INVALID', `to is the step after the last one: more than from, ${from}`, {
          field: 'to',
        });
      session.check(from, rank);
      const end = Math.min(to ?? Number.POSITIVE_INFINITY, session.plan.steps ?? Number.MAX_SAFE_INTEGER);
      let step = from;
      const first = await session.fetch(step, rank, request.gone);
      reply.headers({ 'slicefeed-session': session.stored.id, 'slicefeed-rank': String(rank) });
      await respondBodies(request, reply, service, {
        first,
        async next() {
          step++;
          if (step >= end) return null;
          refuseClosing();
          return session.fetch(step, rank, request.gone);
        },
        sent() {
          const { incarnation } = session.stored;
          sessions.store.delivered({ incarnation, rank, step, movesCursor: false });
        },
        unmade: () => session.batch(step, rank).metadata,
      });
      return reply;
    },
  );
};
