import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { findStudy } from '../src/catalog/studies.js';
import type { UploadContent, UploadedStudy } from '../src/catalog/upload-content.js';
import { sessionsOn } from '../src/catalog/upload-records.js';
import { problemsOf } from '../src/catalog/uploads.js';
import { isId, type StudyId } from '../src/core/ids.js';
import type { Problem } from '../src/core/problem.js';
import { SlfError } from '../src/errors.js';
import { orNull } from '../src/nullable.js';
import { ignoredField, receiveForm, refuseForm, takeMultipart } from '../src/plugins/multipart.js';
import type { Service } from '../src/service.js';
import { refuseLoad } from '../src/sessions/refusal.js';
import { FilesForm, problems, query, StudyParams } from './schemas.js';
import { studyDocument, WholeStudy } from './studies.js';

const Uploaded = Type.Object({
  ...WholeStudy,
  paired: Type.Array(
    Type.Object({ slice: Type.String(), file: Type.String(), structures: Type.Array(Type.String()) }),
    { description: 'slices with at least one contour, by the names that were sent' },
  ),
  unpaired: Type.Array(
    Type.Object({
      file: orNull(Type.String()),
      code: Type.String(),
      detail: Type.String(),
    }),
    { description: 'every file that is in no pair, and what is odd about the others' },
  ),
});

const SESSIONS_NAMED = 20;

/** Studies that callers send, and take away again. */
export const uploads: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db, uploads: all, sessions, metrics } = service;
  await takeMultipart(app as never);

  function answerOf(id: StudyId, study: UploadedStudy, told: readonly Problem[]) {
    const found = studyDocument(db, id);
    if (!found) throw new SlfError('SLF_STUDY_UNKNOWN', 'it was deleted while it was answered');
    const named = study.slices.map(({ slice, path, contours }) => ({
      slice: slice as string,
      file: path,
      structures: [...new Set(contours.map(({ structure }) => structure))].sort(),
    }));
    const bare = named
      .filter(({ structures }) => structures.length === 0)
      .map(({ file, slice }) => ({
        file,
        code: 'NO_CONTOUR',
        detail: `no contour was drawn on it: slice ${slice} is in no pair`,
      }));
    return {
      ...found,
      paired: named.filter(({ structures }) => structures.length > 0),
      unpaired: [...told.map(({ file, code, detail }) => ({ file, code, detail })), ...bare],
    };
  }

  app.post(
    '/v1/studies',
    {
      schema: {
        operationId: 'uploadStudy',
        summary: 'Uploads a study: multipart/form-data, files in parts or in one zip',
        description:
          'All or nothing. A file’s name is used for pairing only. 200 where the study is there already with the same content.',
        tags: ['studies'],
        consumes: ['multipart/form-data'],
        body: FilesForm,
        querystring: query({
          id: Type.Optional(
            Type.String({ description: 'the id of the study; default: one made of its content' }),
          ),
        }),
        response: { 200: Uploaded, 201: Uploaded, ...problems(400, 403, 409, 413, 415, 422, 503) },
      },
      onResponse: async (_request, { statusCode }) => {
        const result = statusCode === 201 ? 'created' : statusCode === 200 ? 'present' : 'refused';
        metrics.uploads.inc({ result });
      },
    },
    async (request, reply) => {
      const { id } = request.query;
      if (id !== undefined && !isId(id))
        throw new SlfError('SLF_INVALID', 'an id has 1 to 64 of A-Z a-z 0-9 . _ -', { field: 'id' });
      if (!service.scans.hasEnded)
        throw new SlfError('SLF_NOT_READY', 'ask again when GET /readyz answers 200', { retryAfterS: 1 });
      const { created, study, body, files } = await all.withStaging(true, async (staging) => {
        try {
          const fields = await receiveForm(request, staging);
          const content = await all.read(staging, request.gone);
          const [only] = content.studies;
          checkOneStudy(content);
          const told = [...problemsOf(content), ...fields.map(ignoredField)];
          const files = staging.files.length;
          request.gone.throwIfAborted();
          const kept = await all.commit(staging, only!, told, (id as StudyId | undefined) ?? null);
          return { ...kept, files, body: answerOf(kept.study, only!, told) };
        } catch (error) {
          request.gone.throwIfAborted();
          throw refuseForm(refuseLoad(error));
        }
      });
      request.log.info(
        { study, files, slices: body.slices, pairs: body.pairs },
        created ? 'study uploaded' : 'upload is there already',
      );
      return reply
        .code(created ? 201 : 200)
        .header('location', `/v1/studies/${study}`)
        .send(body);
    },
  );

  app.delete(
    '/v1/studies/:study',
    {
      schema: {
        operationId: 'deleteStudy',
        summary: 'Removes an uploaded study',
        tags: ['studies'],
        params: StudyParams,
        querystring: query({
          force: Type.Unsafe<0 | 1>({
            type: 'integer',
            enum: [0, 1],
            default: 0,
            description: '1: also deletes the sessions that stand on it',
          }),
        }),
        response: { 204: Type.Null(), ...problems(400, 403, 404, 409) },
      },
    },
    async ({ params: { study }, query: { force }, log }, reply) => {
      if (!findStudy(db, study)) throw new SlfError('SLF_STUDY_UNKNOWN', 'GET /v1/studies lists them');
      all.checkUploaded(study as StudyId);
      const standing = sessionsOn(db, study);
      if (standing.length > 0 && force === 0) {
        const named = standing.slice(0, SESSIONS_NAMED).join(', ');
        const more = standing.length > SESSIONS_NAMED ? ` and ${standing.length - SESSIONS_NAMED} more` : '';
        throw new SlfError(
          'SLF_STUDY_IN_USE',
          `these sessions stand on it: ${named}${more}; delete them first, or add ?force=1, which does`,
        );
      }
      for (const session of standing) sessions.delete(session);
      await all.remove(study as StudyId);
      log.info({ study, sessions: standing.length }, 'uploaded study removed');
      return reply.code(204).send(null);
    },
  );
};

function checkOneStudy({ studies, problems: told, patients }: UploadContent): void {
  const [only, ...others] = studies;
  if (!only || only.slices.length === 0) {
    const [first] = [...(only?.problems ?? []), ...told];
    throw new SlfError(
      'SLF_UPLOAD_STUDY',
      first ? `no image could be read; ${first.code}: ${first.detail}` : 'the upload has no image',
      first?.file ? { file: first.file } : {},
    );
  }
  const named = [...patients].filter((patient) => patient !== null);
  if (named.length > 1)
    throw new SlfError(
      'SLF_UPLOAD_STUDY',
      `its images are of ${named.length} patients: send each patient's by themselves`,
    );
  if (others.length > 0)
    throw new SlfError(
      'SLF_UPLOAD_STUDY',
      `the upload holds ${studies.length} studies: send each by itself, as slicefeed push does`,
    );
}
