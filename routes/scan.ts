import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { SlfError } from '../src/errors.js';
import type { Service } from '../src/service.js';
import { refuseLoad } from '../src/sessions/refusal.js';
import { Empty, problems } from './schemas.js';

/** The answer to a failed scan: no request is to blame. */
function refuseScan(error: unknown): unknown {
  const refusal = refuseLoad(error);
  const { code } = error as NodeJS.ErrnoException;
  return refusal instanceof SlfError || typeof code !== 'string' || !/^E[A-Z]+$/.test(code)
    ? refusal
    : new SlfError('SLF_SCAN', `the data folder cannot be read (${code}): check it, then scan again`, {
        retryAfterS: 10,
      });
}

/** Looking at the sources again. */
export const scan: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  app.post(
    '/v1/scan',
    {
      config: { access: 'write' },
      schema: {
        operationId: 'scanSources',
        summary: "Looks at the sources again; open sessions don't move",
        description:
          'The answer comes when a scan that began after the call has ended or failed, however long that takes. Calls that come while a scan is under way share the next one. The status is 202 because open sessions keep their pairs.',
        tags: ['service'],
        body: Empty,
        response: {
          202: Type.Object(
            { changed: Type.Integer(), added: Type.Integer(), removed: Type.Integer() },
            { description: 'the scan has ended: how many studies it changed, added and removed' },
          ),
          ...problems(400, 403, 503),
        },
      },
    },
    async (_request, reply) => {
      try {
        return await reply.code(202).send(await service.scans.again());
      } catch (error) {
        throw refuseScan(error);
      }
    },
  );
};
