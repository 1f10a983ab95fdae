import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import type { Holes } from '../src/core/part.js';
import type { Service } from '../src/service.js';
import { fetchPair } from '../src/sessions/pair.js';
import { chooseFormat, isKnown, respondBatch } from './respond.js';
import { BatchBody, Format, PairParams, Picture, problems, query, Unchanged } from './schemas.js';

/** How pairs outside a session are asked for. */
export const How = {
  structures: Type.Optional(
    Type.String({
      maxLength: 4096,
      description: 'comma-separated, a name may hold commas itself; default: those that the slice carries',
    }),
  ),
  rule: Type.Unsafe<'pixel-center' | 'pil' | 'opencv' | 'coverage'>({
    type: 'string',
    enum: ['pixel-center', 'pil', 'opencv', 'coverage'],
    default: 'pixel-center',
  }),
  holes: Type.Unsafe<Holes>({
    type: 'string',
    enum: ['standard', 'xor', 'union'],
    default: 'standard',
    description: 'several contours of an RTSTRUCT ROI',
  }),
  values: Type.Unsafe<'stored' | 'rescaled' | 'windowed'>({
    type: 'string',
    enum: ['stored', 'rescaled', 'windowed'],
    default: 'rescaled',
  }),
};
const HowQuery = Type.Object(How);

/** What a query asks for. */
export function howOf({ structures, rule, holes, values }: Static<typeof HowQuery>) {
  return { structures: structures ?? null, rule, holes, values };
}

/** One pair, outside any session. */
export const pairs: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db, engine, quarantine, slotSources } = service;
  const from = { db, engine, quarantine, slotSources, log: app.log };

  app.get(
    '/v1/studies/:study/pairs/:slice',
    {
      config: { rate: 'spared' },
      exposeHeadRoute: false,
      schema: {
        operationId: 'getPair',
        summary: 'One pair as a batch of size 1',
        tags: ['studies'],
        params: PairParams,
        querystring: query({ ...How, format: Format }),
        response: { 200: BatchBody, 304: Unchanged, ...problems(400, 404, 406, 409, 422, 503) },
      },
    },
    async (request, reply) => {
      const format = chooseFormat(request.query.format, request.headers.accept);
      const delivery = await fetchPair(from, { ...request.params, ...howOf(request.query) });
      if (isKnown(request, delivery.etag(format))) {
        delivery.end();
        return reply.code(304).header('etag', delivery.etag(format)).send(null);
      }
      const { study, slice } = request.params;
      await respondBatch(request, reply, service, delivery, format, `${study}-${slice}`);
    },
  );

  app.get(
    '/v1/studies/:study/pairs/:slice/overlay.png',
    {
      schema: {
        operationId: 'getPairOverlay',
        summary: 'The image, windowed, each mask tinted and outlined',
        tags: ['studies'],
        params: PairParams,
        querystring: query({
          structures: How.structures,
          rule: How.rule,
          holes: How.holes,
          scale: Type.Integer({ minimum: 1, maximum: 8, default: 1 }),
        }),
        response: { 200: Picture, ...problems(400, 404, 409, 422, 503) },
      },
    },
    async (request, reply) => {
      const { scale, ...how } = request.query;
      const delivery = await fetchPair(from, {
        ...request.params,
        ...howOf({ ...how, values: 'windowed' }),
      });
      try {
        const { study, slice } = request.params;
        const png = await delivery.lease.draw({
          structures: delivery.structures,
          titles: [`${study}/${slice}`],
          title: '',
          scale,
          // Without a window in the file the full range of its header would be nearly black: the picture finds its own.
          window: delivery.slice.header.window.length > 0 ? { low: 0, high: 1 } : null,
        });
        return reply
          .type('image/png')
          .header('cache-control', 'private, no-cache')
          .send(Buffer.from(png) as never);
      } finally {
        delivery.end();
      }
    },
  );
};
