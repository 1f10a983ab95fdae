import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import type { Holes } from '../src/core/part.js';
import type { Service } from '../src/service.js';
import { drawPair, fetchPair } from '../src/sessions/pair.js';
import { chooseFormat, isKnown, respondBatch } from './respond.js';
import { BatchBody, Format, PairParams, Picture, problems, query, Unchanged } from './schemas.js';

/** How long a picture or a single pair waits for its turn. */
export const PICTURE_WAIT_MS = 10_000;

/** How pairs outside a session are asked for. */
export const How = {
  structures: Type.Optional(
    Type.String({
      maxLength: 4096,
      description: 'comma-separated, a name may hold commas itself; default: those that the slice carries',
    }),
  ),
  source: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      description:
        'where several sources of the study have a structure on images of one series: the file of the source to use, as the study names it; default: the first',
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
/** Whether an overlay has a caption below it. */
export const Caption = Type.Unsafe<0 | 1>({
  type: 'integer',
  enum: [0, 1],
  default: 1,
  description: '1: the name of the pair and of its structures below the image; 0: the image alone',
});
const HowQuery = Type.Object(How);

/** What a query asks for. */
export function howOf({ structures, source, rule, holes, values }: Static<typeof HowQuery>) {
  return { structures: structures ?? null, source: source ?? null, rule, holes, values };
}

/** One pair, outside any session. */
export const pairs: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db, engine, quarantine, slotSources, config, pictures } = service;
  const { batchBytesLimit } = config;
  const from = { db, engine, quarantine, slotSources, batchBytesLimit, log: app.log };

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
      const { gone } = request;
      const asked = { ...request.params, ...howOf(request.query) };
      const delivery = await pictures.within(PICTURE_WAIT_MS, gone, () => fetchPair(from, asked, gone));
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
          source: How.source,
          rule: How.rule,
          holes: How.holes,
          scale: Type.Integer({ minimum: 1, maximum: 8, default: 1 }),
          caption: Caption,
        }),
        response: { 200: Picture, ...problems(400, 404, 409, 422, 503) },
      },
    },
    async (request, reply) => {
      const { scale, caption, ...how } = request.query;
      const { gone } = request;
      const asked = { ...request.params, ...howOf({ ...how, values: 'rescaled' }) };
      const form = { scale, caption: caption === 1 };
      const png = await pictures.within(PICTURE_WAIT_MS, gone, () => drawPair(from, asked, form, gone));
      return reply
        .type('image/png')
        .header('cache-control', 'private, no-cache')
        .send(Buffer.from(png) as never);
    },
  );
};
