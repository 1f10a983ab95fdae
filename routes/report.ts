import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { findStudy, presentRevision, presentStudies, type StudyState } from '../src/catalog/studies.js';
import { FINDING_CODES } from '../src/core/finding-codes.js';
import type { StudyId } from '../src/core/ids.js';
import { SlfError } from '../src/errors.js';
import { orNull } from '../src/nullable.js';
import { type ReportDocument, reportDocument } from '../src/report-document.js';
import type { Service } from '../src/service.js';
import { refuseLoad } from '../src/sessions/refusal.js';
import { problems, query, StudyParams } from './schemas.js';

const MOST_FINDINGS = 10_000;

const Report = Type.Object(
  {
    pairs: Type.Integer({ description: 'slices with a contour that were checked' }),
    findings: Type.Array(
      Type.Object({
        code: Type.String({ enum: [...FINDING_CODES] }),
        pair: Type.String(),
        structure: orNull(Type.String({ description: 'null: the whole slice' })),
        value: orNull(Type.Number({ description: 'the measured value' })),
        threshold: orNull(Type.Number({ description: 'the value that it was compared with' })),
        detail: Type.String(),
        overlay: Type.String({ description: "the path of the pair's picture" }),
      }),
    ),
    studies: Type.Array(
      Type.Object({
        study: Type.String(),
        flagged: Type.Integer({ description: 'pairs with at least one finding' }),
        findings: Type.Integer(),
        codes: Type.Record(Type.String(), Type.Integer(), { description: 'findings of each code' }),
      }),
      { description: 'the studies that these findings are of, each counted as a whole' },
    ),
    next: orNull(Type.String({ description: '`after` of the next page; null after the last' })),
  },
  { title: 'Report' },
);

const ReportQuery = query({
  limit: Type.Integer({
    minimum: 1,
    maximum: MOST_FINDINGS,
    default: MOST_FINDINGS,
    description: 'findings',
  }),
  after: Type.Optional(Type.String({ description: '`next` of the page before' })),
});

const DESCRIPTION =
  'In catalogue order. What was not measured yet is measured first, which reads the images of all pairs once; the next report over the same files is at hand at once. docs/quality.md tells what each code means.';

/** What is odd about contours. */
export const report: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db, quality } = service;

  async function answer(
    states: readonly StudyState[],
    { limit, after = '' }: { readonly limit: number; readonly after?: string },
  ): Promise<ReportDocument> {
    if (!/^\d{0,15}$/.test(after))
      throw new SlfError('SLF_INVALID', 'after is the `next` of the page before', { field: 'after' });
    try {
      return reportDocument(await quality.report(states), Number(after), limit);
    } catch (error) {
      throw refuseLoad(error);
    }
  }

  app.get(
    '/v1/studies/:study/report',
    {
      exposeHeadRoute: false,
      schema: {
        operationId: 'getStudyReport',
        summary: 'The quality report of a study: what is odd about its contours',
        description: DESCRIPTION,
        tags: ['studies'],
        params: StudyParams,
        querystring: ReportQuery,
        response: { 200: Report, ...problems(400, 404, 503) },
      },
    },
    async ({ params: { study }, query }) => {
      const revision = presentRevision(db, study);
      if (!findStudy(db, study) || revision === null)
        throw new SlfError('SLF_STUDY_UNKNOWN', 'GET /v1/studies lists them');
      return (await answer([{ study: study as StudyId, revision }], query)) as never;
    },
  );

  app.get(
    '/v1/report',
    {
      exposeHeadRoute: false,
      schema: {
        operationId: 'getReport',
        summary: 'The quality report of all studies',
        description: DESCRIPTION,
        tags: ['studies'],
        querystring: ReportQuery,
        response: { 200: Report, ...problems(400, 503) },
      },
    },
    async ({ query }) => {
      if (!service.scans.hasEnded)
        throw new SlfError('SLF_NOT_READY', 'ask again when GET /readyz answers 200', { retryAfterS: 1 });
      return (await answer(presentStudies(db), query)) as never;
    },
  );
};
