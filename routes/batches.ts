import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Service } from '../src/service.js';
import type { Session } from '../src/sessions/session.js';
import type { BatchFormat } from '../src/wire/body.js';
import { PICTURE_WAIT_MS } from './pairs.js';
import { chooseFormat, isKnown, respondBatch } from './respond.js';
import {
  BatchBody,
  Empty,
  Format,
  LAST_STEP,
  Picture,
  problems,
  query,
  Rank,
  SessionParams,
  StepParams,
  Unchanged,
} from './schemas.js';

/** The batches of a session. */
export const batches: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { sessions, pictures } = service;

  async function send(
    request: FastifyRequest,
    reply: FastifyReply,
    session: Session,
    at: { step: number; rank: number; format: BatchFormat; movesCursor: boolean },
  ) {
    const { step, rank, format, movesCursor } = at;
    const { id, incarnation } = session.stored;
    session.check(step, rank);
    const epoch = session.plan.epochOf(step);
    if (!movesCursor && request.headers['if-none-match'] !== undefined) {
      const asked = session.batch(step, rank);
      if (asked.settled && isKnown(request, asked.etag(format)))
        return reply.code(304).header('etag', asked.etag(format)).send();
    }
    const delivery = await session.fetch(step, rank, request.gone);
    reply.headers({
      'slicefeed-session': id,
      'slicefeed-step': String(step),
      'slicefeed-epoch': String(epoch),
      'slicefeed-rank': String(rank),
    });
    if (session.plan.steps === null || step + 1 < session.plan.steps)
      reply.header(
        'link',
        `</v1/sessions/${id}/batches/${step + 1}?rank=${rank}&format=${format}>; rel="next"`,
      );
    const name = `${id}-step-${step}${session.stored.spec.worldSize > 1 ? `-rank-${rank}` : ''}`;
    await respondBatch(request, reply, service, delivery, format, name, () =>
      sessions.store.delivered({ incarnation, rank, step, movesCursor }),
    );
    return reply;
  }

  app.get(
    '/v1/sessions/:id/batches/:step',
    {
      config: { rate: 'spared', compiled: 'early' },
      exposeHeadRoute: false,
      schema: {
        operationId: 'getBatch',
        summary: 'The batch of a step; the same URL always gives the same bytes',
        tags: ['batches'],
        params: StepParams,
        querystring: query({ rank: Rank, format: Format }),
        response: { 200: BatchBody, 304: Unchanged, ...problems(400, 404, 406, 409, 410, 422, 503) },
      },
    },
    async (request, reply) => {
      const { id, step } = request.params;
      const { rank, format } = request.query;
      const session = sessions.get(id);
      return send(request, reply, session, {
        step,
        rank,
        format: chooseFormat(format, request.headers.accept),
        movesCursor: false,
      });
    },
  );

  app.get(
    '/v1/sessions/:id/batches/:step/overlay.png',
    {
      schema: {
        operationId: 'getBatchOverlay',
        summary: 'A contact sheet drawn from the very bytes of that batch',
        tags: ['batches'],
        params: StepParams,
        querystring: query({ rank: Rank }),
        response: { 200: Picture, ...problems(400, 404, 409, 410, 422, 503) },
      },
    },
    async (request, reply) => {
      const { id, step } = request.params;
      const { rank } = request.query;
      const session = sessions.get(id);
      const png = await pictures.within(PICTURE_WAIT_MS, request.gone, () =>
        session.draw(step, rank, request.gone),
      );
      return reply
        .type('image/png')
        .header('cache-control', 'private, no-cache')
        .send(Buffer.from(png) as never);
    },
  );

  app.post(
    '/v1/sessions/:id/next',
    {
      config: { access: 'read', rate: 'spared', compiled: 'early' },
      schema: {
        operationId: 'getNextBatch',
        summary: "The batch at a rank's cursor; the cursor moves once the body has been sent",
        tags: ['batches'],
        params: SessionParams,
        body: Empty,
        querystring: query({
          rank: Rank,
          format: Format,
          after: Type.Optional(
            Type.Integer({
              minimum: -1,
              maximum: LAST_STEP - 1,
              description: 'K: the batch K+1, repeatable',
            }),
          ),
        }),
        response: {
          200: BatchBody,
          204: Type.Null({ description: 'after the last batch' }),
          ...problems(400, 404, 406, 409, 410, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const { rank, format, after } = request.query;
      const session = sessions.get(request.params.id);
      session.checkRank(rank);
      const { incarnation, spec } = session.stored;
      const step =
        after === undefined ? sessions.store.cursors(incarnation, spec.worldSize)[rank]! : after + 1;
      if (step >= (session.plan.steps ?? LAST_STEP + 1)) return reply.code(204).send(null);
      return send(request, reply, session, {
        step,
        rank,
        format: chooseFormat(format, request.headers.accept),
        movesCursor: true,
      });
    },
  );
};
