import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Service } from '../src/service.js';
import { problems } from './schemas.js';

/** What the service measures, in Prometheus' text form. */
export const metrics: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { registry } = service.metrics;
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'getMetrics',
        summary: 'Prometheus text',
        tags: ['service'],
        response: {
          200: { description: 'metrics', content: { 'text/plain': { schema: Type.String() } } },
          ...problems(),
        },
      },
    },
    async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  );
};
