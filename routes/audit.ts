import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { SlfError } from '../src/errors.js';
import type { Service } from '../src/service.js';
import { auditEpoch } from '../src/sessions/audit.js';
import { problems, query, SessionParams } from './schemas.js';

const Count = Type.Object({
  count: Type.Integer(),
  pairs: Type.Array(Type.String(), { description: 'the first 100' }),
});

/** What became of an epoch's pairs. */
export const audit: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { sessions, verdicts, db } = service;
  app.get(
    '/v1/sessions/:id/audit',
    {
      schema: {
        operationId: 'auditSession',
        summary: "What became of an epoch's pairs, told by the bodies that were sent whole",
        tags: ['sessions'],
        params: SessionParams,
        querystring: query({
          epoch: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }),
        }),
        response: {
          200: Type.Object({
            epoch: Type.Integer(),
            pairs: Type.Integer(),
            delivered: Type.Integer(),
            missing: Count,
            repeated: Count,
            dropped: Count,
            masked: Count,
          }),
          ...problems(400, 404),
        },
      },
    },
    async ({ params: { id }, query: { epoch } }) => {
      const { session } = sessions.look(id);
      const { epochs } = session.stored.spec;
      if (epochs !== null && epoch >= epochs)
        throw new SlfError(
          'SLF_STEP_PAST_END',
          `the session has ${epochs} epochs, the last is ${epochs - 1}`,
        );
      // Beyond, steps are no numbers that one more makes greater.
      if ((epoch + 1) * session.plan.stepsPerEpoch > Number.MAX_SAFE_INTEGER)
        throw new SlfError('SLF_STEP_PAST_END', 'steps are counted up to 2^53 - 1');
      const { missing, repeated, dropped, masked, ...counts } = await auditEpoch(
        { db, store: sessions.store, verdicts },
        session,
        epoch,
      );
      const listed = ({ count, pairs }: { count: number; pairs: readonly string[] }) => ({
        count,
        pairs: [...pairs],
      });
      return {
        ...counts,
        missing: listed(missing),
        repeated: listed(repeated),
        dropped: listed(dropped),
        masked: listed(masked),
      };
    },
  );
};
