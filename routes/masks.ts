import { basename } from 'node:path';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { UploadContent } from '../src/catalog/upload-content.js';
import { pictureRange, pictureValues } from '../src/core/picture-range.js';
import type { Lease, Loading } from '../src/engine/engine.js';
import { SlfError } from '../src/errors.js';
import { answerTo } from '../src/plugins/failure.js';
import {
  type IgnoredField,
  ignoredField,
  receiveForm,
  refuseForm,
  takeMultipart,
} from '../src/plugins/multipart.js';
import { BodyStream } from '../src/plugins/send.js';
import type { Service } from '../src/service.js';
import { checkBatchBytes } from '../src/sessions/batch-limit.js';
import { Gate } from '../src/sessions/gate.js';
import { checkPicture } from '../src/sessions/picture.js';
import { refuseLoad } from '../src/sessions/refusal.js';
import {
  acceptUploadBatch,
  choosePairs,
  type UploadBatch,
  type UploadRequest,
  uploadBatches,
} from '../src/sessions/upload-batches.js';
import type { Staging } from '../src/sources/staging.js';
import { untilAborted } from '../src/until-aborted.js';
import type { BatchMetadata, BatchProblem } from '../src/wire/body.js';
import { problemBody } from '../src/wire/safetensors.js';
import { Caption, How, howOf } from './pairs.js';
import { bodyOf, chooseFormat, logSent } from './respond.js';
import { FilesForm, Picture, problems, query } from './schemas.js';

const MasksQuery = query({
  structures: Type.Optional(
    Type.String({ description: 'comma-separated; default: every one that the upload has a contour of' }),
  ),
  missing: Type.Unsafe<'exclude' | 'empty'>({
    type: 'string',
    enum: ['exclude', 'empty'],
    default: 'empty',
    description: 'empty: a slice that lacks some of them has empty masks there; exclude: it is left out',
  }),
  source: How.source,
  rule: How.rule,
  holes: How.holes,
  values: How.values,
  batchSize: Type.Integer({ minimum: 1, maximum: 65_536, default: 8 }),
  format: Type.Optional(
    Type.Unsafe<'safetensors' | 'npz' | 'png'>({
      type: 'string',
      enum: ['safetensors', 'npz', 'png'],
      description: 'wins over Accept; npz: for one batch; png: for one pair, its overlay',
    }),
  ),
  scale: Type.Integer({ minimum: 1, maximum: 8, default: 1, description: 'of the overlay' }),
  caption: Caption,
});

/** The most answers that may be on their way at a time: a slow reader holds no place of those who upload. */
const ANSWERS_AT_A_TIME = 16;
const WAIT_MS = 10_000;

/** How the answer to an upload ended. */
interface Sent {
  readonly bodies: number;
  readonly bytes: number;
  /** False if the reader left before the end. */
  readonly whole: boolean;
}

/** Masks of files that are sent along; nothing of them is kept. */
export const masks: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { uploads, engine, config, metrics } = service;
  const answers = new Gate(ANSWERS_AT_A_TIME, 'masks of other uploads are still being sent: ask again later');
  await takeMultipart(app as never);

  app.post(
    '/v1/masks',
    {
      schema: {
        operationId: 'makeMasks',
        summary: 'Batch bodies of the images and contours that are sent along; nothing is stored',
        description:
          'multipart/form-data, each part a DICOM file, a contour, a link.csv, or one zip of them. Bodies follow each other, up to `batchSize` pairs each; one ends early before a pair of another shape. What could not be paired is in the problems of the first.',
        tags: ['batches'],
        querystring: MasksQuery,
        consumes: ['multipart/form-data'],
        body: FilesForm,
        response: {
          200: {
            description: 'batches, see the wire format',
            content: {
              'application/x-safetensors': { schema: Type.String({ format: 'binary' }) },
              'application/x-npz': { schema: Type.String({ format: 'binary' }) },
              ...Picture.content,
            },
          },
          ...problems(400, 403, 406, 413, 415, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const { format } = request.query;
      const { missing, batchSize, ...how } = request.query;
      const asked: UploadRequest = { missing, batchSize, ...howOf(how) };
      const form = format === 'png' ? 'png' : chooseFormat(format, request.headers.accept);
      const startedAt = performance.now();
      let result: 'sent' | 'left' | 'refused' = 'refused';
      try {
        await uploads.withStaging(false, async (staging, freePlace) => {
          const fields = await receiveForm(request, staging);
          const content = await uploads.read(staging, request.gone);
          const files = staging.files.length;
          const told = problemsOf(content, fields);
          const chosen = choosePairs(content.studies, told, asked);
          if (form === 'png' && chosen.pairs.length > 1)
            throw tooMany(chosen.pairs.length, 'png is of one pair');
          const [first] = chosen.pairs;
          const values = form === 'png' && first ? pictureValues(first.slice.header) : asked.values;
          const batches = uploadBatches(chosen, told, { ...asked, values }, placeOf(staging));
          if (form === 'npz' && batches.length > 1)
            throw tooMany(chosen.pairs.length, `npz is of one batch, of ${asked.batchSize} pairs`);
          for (const { layout, pairs } of batches)
            checkBatchBytes(layout.sizeBytes, pairs.length, config.batchBytesLimit, 'masks');
          const leave = await answers.enter(WAIT_MS, request.gone);
          try {
            freePlace();
            const { whole, ...sent } =
              form === 'png'
                ? await sendOverlay(request, reply, service, batches[0]!, request.query, staging)
                : await sendBatches(request, reply, batches, form, staging);
            result = whole ? 'sent' : 'left';
            const ms = Math.round(performance.now() - startedAt);
            request.log.info(
              { files, pairs: chosen.pairs.length, problems: told.length, ...sent, ms },
              whole ? 'masks of an upload sent' : 'masks of an upload not taken: the reader left',
            );
          } finally {
            leave();
          }
        });
      } catch (error) {
        if (request.gone.aborted) result = 'left';
        request.gone.throwIfAborted();
        throw refuseForm(refuseLoad(error));
      } finally {
        metrics.maskUploads.inc({ result });
      }
      return reply;
    },
  );

  async function sendBatches(
    request: FastifyRequest,
    reply: FastifyReply,
    batches: readonly UploadBatch[],
    format: 'safetensors' | 'npz',
    staging: Staging,
  ): Promise<Sent> {
    const flights = new Map<UploadBatch, Loading>();
    const start = (batch: UploadBatch) => {
      if (!flights.has(batch)) flights.set(batch, engine.load(batch.order, 'asked'));
    };
    let out: BodyStream | null = null;
    let bodies = 0;
    let bytes = 0;
    try {
      for (const [at, batch] of batches.entries()) {
        start(batch);
        const loading = flights.get(batch)!;
        const askedAt = performance.now();
        let lease: Lease;
        try {
          lease = await untilAborted(loading.lease, request.gone);
          acceptUploadBatch(batch, lease);
        } catch (error) {
          // The first one's failure is a proper answer; later the last body has to say it.
          if (!out) throw error;
          await staging.remove();
          const last = problemBody(failureOf(batch, refuseLoad(error)));
          if (!(await out.write(last, null))) return { bodies, bytes, whole: false };
          bodies++;
          bytes += last.sizeBytes;
          break;
        }
        // The next one is decoded while this one is sent; behind the last one the files are gone before the answer ends.
        if (at + 1 < batches.length) start(batches[at + 1]!);
        else await staging.remove();
        const body = await bodyOf({ batch, lease }, format);
        if (!out) {
          reply.headers({
            'cache-control': 'private, no-store',
            'content-disposition': `attachment; filename="masks.${body.extension}"`,
          });
          out = new BodyStream(request, reply, service.buffers, body.contentType);
        }
        const sentAt = performance.now();
        const whole = await out.write(body, lease);
        loading.abandon();
        logSent(request, service, { batch, warm: 'miss', waitMs: sentAt - askedAt }, body, sentAt, whole);
        if (!whole) return { bodies, bytes, whole };
        bodies++;
        bytes += body.sizeBytes;
      }
      return { bodies, bytes, whole: (await out?.end()) ?? false };
    } finally {
      for (const loading of flights.values()) loading.abandon();
    }
  }
};

/** Everything that could not be paired or is odd; it travels with the first batch. */
function problemsOf({ studies, problems }: UploadContent, fields: readonly IgnoredField[]): BatchProblem[] {
  return [...studies.flatMap((study) => study.problems), ...problems, ...fields.map(ignoredField)].map(
    ({ code, file, detail }) => ({ code, pair: null, file, detail }),
  );
}

/** Where a loader finds the files of an upload. */
function placeOf(staging: Staging) {
  const numbers = new Map(staging.files.map(({ name, number }) => [name, number]));
  return {
    folder: staging.folder,
    name: basename(staging.folder),
    numberOf: (file: string) => numbers.get(file)!,
  };
}

function tooMany(pairs: number, why: string): SlfError {
  return new SlfError('SLF_NOT_ACCEPTABLE', `${why}, the upload has ${pairs}: ask for safetensors`, {
    field: 'format',
  });
}

function failureOf({ metadata }: UploadBatch, error: unknown): BatchMetadata {
  const { code, detail, subject } = answerTo(error);
  return {
    ...metadata,
    problems: [{ code, pair: subject.pair ?? null, file: subject.file ?? null, detail }],
  };
}

async function sendOverlay(
  request: FastifyRequest,
  reply: FastifyReply,
  { engine }: Service,
  batch: UploadBatch,
  { scale, caption }: { readonly scale: number; readonly caption: 0 | 1 },
  staging: Staging,
): Promise<Sent> {
  checkPicture(batch.layout.shape, scale);
  const loading = engine.load(batch.order, 'asked');
  try {
    const lease = await untilAborted(loading.lease, request.gone);
    acceptUploadBatch(batch, lease);
    const [pair] = batch.pairs;
    const { structures } = batch.metadata;
    const { header } = pair!.slice;
    const ranges = [pictureRange(header, pictureValues(header))];
    const unit = { structures, titles: [pair!.id], title: '', scale, caption: caption === 1, ranges };
    const png = await lease.draw(unit, request.gone);
    await staging.remove();
    await reply.type('image/png').header('cache-control', 'private, no-store').send(Buffer.from(png));
    return { bodies: 1, bytes: png.length, whole: reply.raw.writableFinished };
  } finally {
    loading.abandon();
  }
}
