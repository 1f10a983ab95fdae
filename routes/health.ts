import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { missingOf } from '../src/readiness.js';
import type { Service } from '../src/service.js';

const Scan = Type.Object({
  state: Type.String({ description: 'walking, reading, writing, done or failed' }),
  files: Type.Integer({ description: 'files seen' }),
  toRead: Type.Integer({ description: 'files that are new or changed' }),
  read: Type.Integer(),
  studies: Type.Integer({
    description: 'studies that this scan has looked at and kept so far, not those that are served',
  }),
});

const Ready = Type.Object({
  ready: Type.Boolean(),
  missing: Type.Array(Type.String(), { description: 'what the service waits for' }),
  scan: Scan,
  loaders: Type.Object({ ready: Type.Integer(), wanted: Type.Integer() }),
});

/** Whether the process lives, and whether it can serve. */
export const health: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  app.get(
    '/livez',
    {
      config: { access: 'open', rate: 'spared' },
      schema: {
        operationId: 'getLiveness',
        summary: 'The process answers',
        tags: ['service'],
        response: { 200: Type.Object({ live: Type.Boolean() }) },
      },
    },
    async () => ({ live: true }),
  );

  app.get(
    '/readyz',
    {
      config: { access: 'open', rate: 'spared' },
      schema: {
        operationId: 'getReadiness',
        summary: 'The catalogue is scanned and a loader is ready',
        tags: ['service'],
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_request, reply) => {
      const { scans, spool, pool } = service;
      const missing = missingOf(scans, pool, spool);
      const ready = missing.length === 0;
      if (!ready) reply.header('retry-after', '1');
      return reply.code(ready ? 200 : 503).send({
        ready,
        missing,
        scan: { ...scans.progress },
        loaders: { ready: pool.readyCount, wanted: pool.size },
      });
    },
  );
};
