import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Service } from '../src/service.js';
import { Gate } from '../src/sessions/gate.js';
import { StudyFeed } from '../src/sessions/study.js';
import { closingCheck, refuseOtherFormats, respondBodies } from './bodies.js';
import { How, howOf } from './pairs.js';
import { BatchBodies, Format, problems, query, StudyParams } from './schemas.js';

/** Answers of this kind that may be on the way at a time: each holds two batches of the budget that no session reserved. */
const AT_A_TIME = 4;
const WAIT_MS = 10_000;

/** All pairs of a study in one answer. */
export const studyMasks: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db, engine, quarantine, config, slotSources } = service;
  const { batchBytesLimit } = config;
  const from = { db, engine, quarantine, slotSources, batchBytesLimit, log: app.log };
  const gate = new Gate(AT_A_TIME, 'masks of several studies are still being sent: read them or close them');
  const refuseClosing = closingCheck(app);

  app.get(
    '/v1/studies/:study/masks',
    {
      config: { rate: 'spared' },
      exposeHeadRoute: false,
      schema: {
        operationId: 'getStudyMasks',
        summary: 'Every pair of a study: batch bodies one after the other',
        description:
          'In catalogue order, up to `batchSize` pairs a body; a body ends early before a pair of another shape. All have the same structures and one dtype. Each body ends at 8 + header + largest offset. If loading fails on the way, a last body without tensors says why.',
        tags: ['studies'],
        params: StudyParams,
        querystring: query({
          ...How,
          structures: Type.Optional(
            Type.String({
              description:
                'comma-separated; a slice is a pair when it carries all of them; default: the one that most slices carry',
            }),
          ),
          batchSize: Type.Integer({ minimum: 1, maximum: 65_536, default: 8 }),
          format: Format,
        }),
        response: { 200: BatchBodies, ...problems(400, 404, 406, 409, 422, 503) },
      },
    },
    async (request, reply) => {
      const { format, batchSize, ...how } = request.query;
      refuseOtherFormats(format, request.headers.accept);
      const asked = { ...request.params, ...howOf(how), batchSize };
      const leave = await gate.enter(WAIT_MS, request.gone);
      try {
        const feed = new StudyFeed(from, asked);
        await send(request, reply, feed);
      } finally {
        leave();
      }
      return reply;
    },
  );

  async function send(request: FastifyRequest, reply: FastifyReply, feed: StudyFeed) {
    try {
      const first = await feed.fetch(request.gone);
      if (!first) throw new Error('a study with pairs gave no batch');
      reply.headers({ 'slicefeed-pairs': String(feed.pairs), 'cache-control': 'private, no-cache' });
      await respondBodies(request, reply, service, {
        first,
        async next() {
          refuseClosing();
          return feed.fetch(request.gone);
        },
        sent: () => feed.sent(),
        unmade: () => feed.unsent,
      });
    } finally {
      feed.end();
    }
  }
};
