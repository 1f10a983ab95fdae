import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { listSources } from '../src/catalog/contour-sources.js';
import { modalityCounts, seriesOf } from '../src/catalog/series.js';
import { listSlices } from '../src/catalog/slices.js';
import { findStudy, listProblems, listStudies, presentRevision } from '../src/catalog/studies.js';
import { PROBLEMS } from '../src/core/problem.js';
import { SlfError } from '../src/errors.js';
import { orNull } from '../src/nullable.js';
import type { Service } from '../src/service.js';
import type { Database } from '../src/sqlite.js';
import { Page, PageQuery, problems, query, StudyParams } from './schemas.js';

/** What a study answers of itself. */
const Study = {
  id: Type.String(),
  slices: Type.Integer({ description: 'images' }),
  pairs: Type.Integer({ description: 'images with at least one contour' }),
  structures: Type.Record(Type.String(), Type.Integer(), { description: 'images that carry each structure' }),
  rows: orNull(Type.Integer({ description: 'null where images differ' })),
  columns: orNull(Type.Integer()),
};

const ProblemList = Type.Array(
  Type.Object({
    code: Type.String({ enum: Object.keys(PROBLEMS) }),
    file: orNull(Type.String({ description: "relative to the source's root" })),
    detail: Type.String(),
  }),
);

const SourceList = Type.Array(
  Type.Object({
    kind: Type.Unsafe<'text' | 'rtstruct' | 'seg'>({ type: 'string', enum: ['text', 'rtstruct', 'seg'] }),
    file: Type.String({ description: 'of text contours the folder that they are below' }),
    series: orNull(Type.String({ description: 'its SeriesInstanceUID; null of text contours' })),
    structures: Type.Array(Type.String()),
    parts: Type.Integer({ description: 'contours and rasters that are used' }),
  }),
  { description: 'where its structures come from; an earlier one goes before a later one' },
);

/** The most series that a study lists. */
const SERIES_LISTED = 1000;

/** What `where` of a session may ask of a study's images. */
const Series = {
  modalities: Type.Record(Type.String(), Type.Integer(), {
    description: 'images of each modality, as `where.modality` takes them',
  }),
  series: Type.Array(
    Type.Object({
      series: orNull(Type.String({ description: 'as `where.series` takes it; null: no UID' })),
      modality: orNull(Type.String({ description: 'null: none that DICOM defines' })),
      slices: Type.Integer(),
    }),
    { description: `the first ${SERIES_LISTED.toLocaleString('en-US')} series of its images` },
  ),
  seriesCount: Type.Integer({ description: 'all series of its images' }),
};

/** All that a study answers of itself where it is asked for alone. */
export const WholeStudy = { ...Study, ...Series, sources: SourceList, problems: ProblemList };

const StudyList = Type.Object({
  studies: Type.Array(Type.Object({ ...Study, problems: Type.Integer() })),
  next: orNull(Type.String()),
  problems: Type.Optional(ProblemList),
});

const PairList = Type.Object({
  pairs: Type.Array(
    Type.Object({
      id: Type.String(),
      slice: Type.String(),
      file: Type.String(),
      structures: Type.Array(Type.String()),
      unusable: Type.Optional(
        Type.Array(Type.String(), {
          description:
            'structures that are drawn on it and cannot be used there in full; left out where there are none',
        }),
      ),
      rows: Type.Integer(),
      columns: Type.Integer(),
      transferSyntax: Type.String(),
    }),
  ),
  next: orNull(Type.String()),
});

/** A study with everything that is answered of it; null where there is none. */
export function studyDocument(db: Database, id: string) {
  const found = findStudy(db, id);
  if (!found) return null;
  const series = seriesOf(db, [presentRevision(db, id)!]);
  return {
    ...found,
    modalities: Object.fromEntries(modalityCounts(series)),
    series: series.slice(0, SERIES_LISTED),
    seriesCount: series.length,
    sources: listSources(db, id),
    problems: listProblems(db, id),
  };
}

/** What the catalogue holds. */
export const studies: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db } = service;

  app.get(
    '/v1/studies',
    {
      schema: {
        operationId: 'listStudies',
        summary: 'The studies',
        description: 'The first page also lists the problems that belong to no study.',
        tags: ['studies'],
        querystring: PageQuery,
        response: { 200: StudyList, ...problems(400) },
      },
    },
    async ({ query: { limit, after = '' } }) => {
      const page = listStudies(db, after, limit + 1);
      const shown = page.slice(0, limit);
      return {
        studies: shown,
        next: page.length > limit ? shown[shown.length - 1]!.id : null,
        ...(after === '' ? { problems: listProblems(db, '') } : {}),
      };
    },
  );

  app.get(
    '/v1/studies/:study',
    {
      schema: {
        operationId: 'getStudy',
        summary: 'One study, with every file left out and why',
        tags: ['studies'],
        params: StudyParams,
        response: {
          200: Type.Object(WholeStudy),
          ...problems(404),
        },
      },
    },
    async ({ params: { study } }) => {
      const found = studyDocument(db, study);
      if (!found) throw new SlfError('SLF_STUDY_UNKNOWN', 'GET /v1/studies lists them');
      return found;
    },
  );

  app.get(
    '/v1/studies/:study/pairs',
    {
      schema: {
        operationId: 'listStudyPairs',
        summary: 'The pairs of a study in catalogue order',
        tags: ['studies'],
        params: StudyParams,
        querystring: query({
          ...Page,
          all: Type.Unsafe<0 | 1>({
            type: 'integer',
            enum: [0, 1],
            default: 0,
            description: '1: also slices without a contour',
          }),
        }),
        response: { 200: PairList, ...problems(400, 404) },
      },
    },
    async ({ params: { study }, query: { limit, after = '', all } }) => {
      if (!findStudy(db, study)) throw new SlfError('SLF_STUDY_UNKNOWN', 'GET /v1/studies lists them');
      if (!/^\d{0,15}$/.test(after))
        throw new SlfError('SLF_INVALID', 'after is the `next` of the page before', { field: 'after' });
      const page = listSlices(db, study, after === '' ? -1 : Number(after), limit + 1, all === 1);
      const shown = page.slice(0, limit);
      return {
        pairs: shown.map(({ slice, file, structures, unusable, header }) => ({
          id: `${study}/${slice}`,
          slice,
          file,
          structures: [...structures],
          ...(unusable.length > 0 ? { unusable: [...unusable] } : {}),
          rows: header.rows,
          columns: header.columns,
          transferSyntax: header.transferSyntax,
        })),
        next: page.length > limit ? String(shown[shown.length - 1]!.ordinal) : null,
      };
    },
  );
};
