import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Problem } from '../core/problem.js';
import { SlfError } from '../errors.js';
import { type StagedFile, type Staging, type UploadLimits, UploadRefused } from '../sources/staging.js';
import { Disconnected } from './disconnect.js';

/** Text fields carry nothing here; a form has a few. */
const FIELDS = 16;
const FIELD_BYTES = 1024;
const FIELD_NAME_BYTES = 256;
/** More than the head of a part and its boundary have. */
const PART_HEAD_BYTES = 4096;
const HEADER_PAIRS = 32;

/** A text field that came with an upload; its value is not kept. */
export interface IgnoredField {
  readonly name: string;
}

/** Has the routes of a scope take multipart/form-data, as streams, and refuse every other type by name. */
export async function takeMultipart(app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  // A part that was cut off is found by its mark, below; the library's own error would come too late.
  await app.register(multipart, { preservePath: true, throwFileSizeLimit: false });
}

function limitsOf(limits: UploadLimits) {
  return {
    fileSize: limits.bytes + 1,
    files: limits.files + 1,
    parts: limits.files + 1 + FIELDS,
    fields: FIELDS,
    fieldSize: FIELD_BYTES,
    fieldNameSize: FIELD_NAME_BYTES,
    headerPairs: HEADER_PAIRS,
  };
}

/**
 * Streams every file of a form to an upload's folder; answers the text fields, which carry nothing. Throws `SlfError` for what is
 * no form, ends early, or is over a limit, and `Disconnected` when the sender leaves.
 */
export async function receiveForm(request: FastifyRequest, staging: Staging): Promise<IgnoredField[]> {
  if (!request.isMultipart())
    throw new SlfError('SLF_MEDIA_TYPE', 'send the files as multipart/form-data: curl -F file=@FILE URL');
  const { bytes, files } = staging.limits;
  // What is surely too large is told before it is sent.
  if (Number(request.headers['content-length']) > bytes + files * PART_HEAD_BYTES)
    throw refuseUpload(
      new UploadRefused('limit', `the upload is over ${bytes} bytes, the limit of SLICEFEED_UPLOAD_BYTES`),
    );
  const fields: IgnoredField[] = [];
  let received = 0;
  // The library waits for the request to close, which may have happened before it listens.
  if (request.gone.aborted) throw new Disconnected('the sender left before the form was read');
  try {
    for await (const part of request.parts({ limits: limitsOf(staging.limits) })) {
      // The library keeps every part until the end, ten thousand of them.
      for (const name of Object.keys(part.fields)) delete part.fields[name];
      if (part.type === 'field') {
        fields.push({ name: part.fieldname });
        continue;
      }
      received++;
      const { file } = part;
      const staged: StagedFile | null = await staging.add(nameOf(part.filename, received), file);
      if (file.truncated)
        throw new UploadRefused(
          'limit',
          `the upload is over ${staging.limits.bytes} bytes, the limit of SLICEFEED_UPLOAD_BYTES`,
        );
      // A form's file input that was left empty comes as a part without a name and without content.
      if (staged?.sizeBytes === 0 && !part.filename) await staging.drop(staged);
    }
  } catch (error) {
    if (request.gone.aborted) throw new Disconnected('the sender left in the middle of an upload');
    throw refuseForm(error);
  }
  if (request.gone.aborted) throw new Disconnected('the sender left in the middle of an upload');
  if (staging.files.length === 0)
    throw new SlfError(
      'SLF_UPLOAD_EMPTY',
      fields.length > 0
        ? 'the form has text fields and no file: with curl, write -F file=@FILE, with the @'
        : 'send at least one file: curl -F file=@FILE URL',
    );
  return fields;
}

/** What is told of a text field. */
export function ignoredField({ name }: IgnoredField): Problem {
  return {
    code: 'FILE_NOT_PAIRED',
    file: null,
    detail: `the text field "${name}" carries no file: with curl, write -F ${name}=@FILE`,
  };
}

function nameOf(told: string | undefined, number: number): string {
  return told ? told : `part-${number}`;
}

/** The answer to a form that can't be taken; other errors as they are. */
export function refuseForm(error: unknown): unknown {
  if (error instanceof UploadRefused) return refuseUpload(error);
  const { code, syscall } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'FST_FIELDS_LIMIT':
      return new SlfError('SLF_TOO_LARGE', `the form has more than ${FIELDS} text fields: send files alone`);
    case 'FST_FILES_LIMIT':
    case 'FST_PARTS_LIMIT':
      return new SlfError(
        'SLF_TOO_LARGE',
        'the form has more files than SLICEFEED_UPLOAD_FILES allows: send fewer at a time, or one zip',
      );
    case 'FST_PROTO_VIOLATION':
    case 'FST_INVALID_JSON_FIELD_ERROR':
      return new SlfError(
        'SLF_UPLOAD_FORM',
        'a field of the form has a name or a value that it may not have',
      );
  }
  // What is left is the form's own framing, and the disk's errors, which have a call.
  const isFraming = error instanceof Error && (error.constructor === Error || code?.startsWith('FST_'));
  if (!isFraming || syscall !== undefined) return error;
  return /boundary/i.test(error.message)
    ? new SlfError(
        'SLF_UPLOAD_FORM',
        'Content-Type has no boundary: leave it to the client that makes the form',
      )
    : new SlfError('SLF_UPLOAD_FORM', 'the form ends early or is not framed as multipart/form-data');
}

/** The answer to an upload that is refused for its names, its size or its zip. */
function refuseUpload({ reason, message }: UploadRefused): SlfError {
  switch (reason) {
    case 'limit':
      return new SlfError('SLF_TOO_LARGE', `${message}: send less at a time`);
    case 'name':
    case 'twice':
      return new SlfError('SLF_UPLOAD_NAME', message);
    case 'zip':
      return new SlfError('SLF_ZIP', message);
  }
}
