import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { SlfError } from '../src/errors.js';
import { orNull } from '../src/nullable.js';
import type { Service } from '../src/service.js';
import { type Fold as FoldCounts, splitStudies } from '../src/sessions/folds.js';
import { Page, problems, query } from './schemas.js';

const Counts = {
  slices: Type.Integer({ description: 'images' }),
  pairs: Type.Integer({ description: 'images with at least one contour' }),
};

const Fold = Type.Object({
  fold: Type.Integer(),
  studies: Type.Integer(),
  groups: Type.Integer({ description: 'patients, and studies that name none' }),
  ...Counts,
  structures: Type.Record(Type.String(), Type.Integer(), { description: 'images that carry each structure' }),
});

const SplitStudy = Type.Object({
  study: Type.String(),
  fold: Type.Integer(),
  group: Type.String({ description: 'the first study of the same patients: one group is in one fold' }),
  ...Counts,
});

/** Lists the fold of each study. */
export const splits: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  app.get(
    '/v1/splits',
    {
      schema: {
        operationId: 'listSplitStudies',
        summary: 'Lists the fold of each study in a split',
        description:
          'The folds that `split` of a session chooses from, with the same `of` and `seed`. The first page also lists every fold with its totals.',
        tags: ['studies'],
        querystring: query({
          of: Type.Integer({ minimum: 2, maximum: 1000, default: 5, description: 'folds' }),
          seed: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }),
          fold: Type.Optional(
            Type.Integer({ minimum: 0, maximum: 999, description: 'only the studies of this fold' }),
          ),
          ...Page,
        }),
        response: {
          200: Type.Object({
            of: Type.Integer(),
            seed: Type.Integer(),
            folds: Type.Optional(Type.Array(Fold)),
            studies: Type.Array(SplitStudy),
            next: orNull(Type.String()),
          }),
          ...problems(400),
        },
      },
    },
    async ({ query: { of, seed, fold, limit, after = '' } }) => {
      if (!service.scans.hasEnded)
        throw new SlfError('SLF_NOT_READY', 'ask again when GET /readyz answers 200', { retryAfterS: 1 });
      if (fold !== undefined && fold >= of)
        throw new SlfError('SLF_INVALID', `the folds are 0 to ${of - 1}`, { field: 'fold' });
      const { folds, studies } = splitStudies(service.db, { of, seed });
      const behind = studies.filter(
        (each) => each.study > after && (fold === undefined || each.fold === fold),
      );
      const shown = behind.slice(0, limit);
      return {
        of,
        seed,
        ...(after === '' ? { folds: folds.map(shownFold) } : {}),
        studies: shown,
        next: behind.length > limit ? shown[shown.length - 1]!.study : null,
      };
    },
  );
};

function shownFold(fold: FoldCounts) {
  return {
    ...fold,
    structures: Object.fromEntries([...fold.structures].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
