import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { PairId } from '../src/core/ids.js';
import { SlfError } from '../src/errors.js';
import type { Service } from '../src/service.js';
import { PairParams, problems } from './schemas.js';

const Entry = Type.Object({
  pair: Type.String(),
  file: Type.String(),
  code: Type.String(),
  detail: Type.String(),
  since: Type.String({ description: 'ISO 8601' }),
});

/** Pairs that end their loader. */
export const quarantine: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  app.get(
    '/v1/quarantine',
    {
      schema: {
        operationId: 'listQuarantine',
        summary: 'Pairs that break their loader, with why',
        tags: ['service'],
        response: { 200: Type.Object({ quarantine: Type.Array(Entry) }), ...problems() },
      },
    },
    async () => ({
      quarantine: service.quarantine.list().map(({ pair, file, code, detail, since }) => ({
        pair,
        file,
        code,
        detail,
        since: new Date(since).toISOString(),
      })),
    }),
  );

  app.delete(
    '/v1/quarantine/:study/:slice',
    {
      config: { access: 'write' },
      schema: {
        operationId: 'releasePair',
        summary: 'Gives a pair another chance',
        tags: ['service'],
        params: PairParams,
        response: { 204: Type.Null(), ...problems(403, 404) },
      },
    },
    async ({ params: { study, slice } }, reply) => {
      if (!service.quarantine.pardon(`${study}/${slice}` as PairId))
        throw new SlfError('SLF_PAIR_UNKNOWN', 'it is not in quarantine: GET /v1/quarantine lists what is');
      return reply.code(204).send(null);
    },
  );
};
