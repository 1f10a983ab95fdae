import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { SlfError } from '../src/errors.js';
import type { Service } from '../src/service.js';
import { fetchPair } from '../src/sessions/pair.js';
import { chooseFormat, isKnown, respondBatch } from './respond.js';
import { BatchBody, Format, PairParams, Picture, problems, query } from './schemas.js';

const How = {
  structures: Type.Optional(
    Type.String({ description: 'comma-separated; default: those that the slice carries' }),
  ),
  rule: Type.Unsafe<'pixel-center' | 'pil' | 'opencv' | 'coverage'>({
    type: 'string',
    enum: ['pixel-center', 'pil', 'opencv', 'coverage'],
    default: 'pixel-center',
  }),
  values: Type.Unsafe<'stored' | 'rescaled' | 'windowed'>({
    type: 'string',
    enum: ['stored', 'rescaled', 'windowed'],
    default: 'rescaled',
  }),
};
const HowQuery = Type.Object(How);

function pairRequest(
  params: Static<typeof PairParams>,
  { structures, rule, values }: Static<typeof HowQuery>,
) {
  if (rule === 'opencv' || rule === 'coverage')
    throw new SlfError('SLF_NOT_BUILT', `rule ${rule} is not built yet`, { field: 'rule' });
  if (values === 'windowed')
    throw new SlfError('SLF_NOT_BUILT', 'values windowed is not built yet', { field: 'values' });
  const names = structures === undefined ? null : structures.split(',').filter((name) => name !== '');
  return { ...params, structures: names, rule, values };
}

/** One pair, outside any session. */
export const pairs: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db, engine, config } = service;
  const from = { db, engine, root: config.data };

  app.get(
    '/v1/studies/:study/pairs/:slice',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'One pair as a batch of size 1',
        tags: ['studies'],
        params: PairParams,
        querystring: query({ ...How, format: Format }),
        response: { 200: BatchBody, 304: Type.Null(), ...problems(400, 404, 406, 409, 422, 501, 503) },
      },
    },
    async (request, reply) => {
      const format = chooseFormat(request.query.format, request.headers.accept);
      const delivery = await fetchPair(from, pairRequest(request.params, request.query));
      if (isKnown(request, delivery.batch.etag(format))) {
        delivery.end();
        return reply.code(304).header('etag', delivery.batch.etag(format)).send(null);
      }
      const { study, slice } = request.params;
      await respondBatch(request, reply, delivery, format, `${study}-${slice}`);
    },
  );

  app.get(
    '/v1/studies/:study/pairs/:slice/overlay.png',
    {
      schema: {
        summary: 'The image, windowed, each mask tinted and outlined',
        tags: ['studies'],
        params: PairParams,
        querystring: query({
          structures: How.structures,
          rule: How.rule,
          scale: Type.Integer({ minimum: 1, maximum: 8, default: 1 }),
        }),
        response: { 200: Picture, ...problems(400, 404, 409, 422, 501, 503) },
      },
    },
    async (request, reply) => {
      const { scale, ...how } = request.query;
      const delivery = await fetchPair(from, pairRequest(request.params, { ...how, values: 'rescaled' }));
      try {
        const { study, slice } = request.params;
        const [voi] = delivery.slice.header.window;
        const png = await delivery.lease.draw({
          structures: delivery.structures,
          titles: [`${study}/${slice}`],
          title: '',
          scale,
          window: voi ? voiRange(voi) : null,
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

/** The values between which a linear VOI function rises from black to white (DICOM PS3.3, section C.11.2.1.2.1). */
function voiRange({
  center,
  width,
}: {
  center: number;
  width: number;
}): { low: number; high: number } | null {
  if (!(width > 1)) return null;
  return { low: center - 0.5 - (width - 1) / 2, high: center - 0.5 + (width - 1) / 2 };
}
