import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Service } from '../src/service.js';
import { refuseLoad } from '../src/sessions/refusal.js';
import { Empty, problems } from './schemas.js';

/** Looking at the sources again. */
export const scan: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  app.post(
    '/v1/scan',
    {
      config: { access: 'write' },
      schema: {
        operationId: 'scanSources',
        summary: "Looks at the sources again; open sessions don't move",
        tags: ['service'],
        body: Empty,
        response: {
          202: Type.Object({ changed: Type.Integer(), added: Type.Integer(), removed: Type.Integer() }),
          ...problems(400, 403, 503),
        },
      },
    },
    async (_request, reply) => {
      try {
        return await reply.code(202).send(await service.scans.again());
      } catch (error) {
        throw refuseLoad(error);
      }
    },
  );
};
