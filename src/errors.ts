/** Every error the service answers with: its HTTP status and title. The detail of one answer says what to do. */
export const ERRORS = {
  SLF_INVALID: { status: 400, title: 'The request is not of the form the contract asks for' },
  SLF_UPLOAD_FORM: { status: 400, title: 'The upload is not a form of files' },
  SLF_UPLOAD_EMPTY: { status: 400, title: 'The upload has no file' },
  SLF_UPLOAD_NAME: { status: 400, title: 'A file name of the upload cannot be used' },
  SLF_UNAUTHORIZED: { status: 401, title: 'A bearer token is needed' },
  SLF_READ_ONLY_TOKEN: { status: 403, title: 'This token may open sessions and read, nothing else' },
  SLF_ORIGIN: { status: 403, title: 'A page of another site may not ask this service' },
  SLF_ROUTE_UNKNOWN: { status: 404, title: 'There is no such path' },
  SLF_STUDY_UNKNOWN: { status: 404, title: 'There is no such study' },
  SLF_PAIR_UNKNOWN: { status: 404, title: 'There is no such slice in this study' },
  SLF_SESSION_UNKNOWN: { status: 404, title: 'There is no such session' },
  SLF_STEP_PAST_END: { status: 404, title: 'The session ends before this step' },
  SLF_NOT_ACCEPTABLE: { status: 406, title: 'The body cannot be sent in that format' },
  SLF_TOO_SLOW: { status: 408, title: 'The request did not arrive in time' },
  SLF_SESSION_DIFFERS: { status: 409, title: 'A session of this name stands on another spec' },
  SLF_SESSIONS_FULL: { status: 409, title: 'The token has reached its limit of sessions' },
  SLF_STUDY_TAKEN: { status: 409, title: 'A study of this id has other content' },
  SLF_STUDY_IN_USE: { status: 409, title: 'Sessions stand on the study' },
  SLF_STUDY_IN_FOLDER: { status: 409, title: 'The study was not uploaded' },
  SLF_SOURCE_CHANGED: { status: 409, title: 'A source file changed since the snapshot' },
  SLF_SNAPSHOT_GONE: { status: 410, title: 'The snapshot is not kept here' },
  SLF_BYTES_VERSION: { status: 410, title: 'This release no longer makes the bytes of that session' },
  SLF_TOO_LARGE: { status: 413, title: 'The request is larger than the limit' },
  SLF_MEDIA_TYPE: { status: 415, title: 'The request body is not of the type this call takes' },
  SLF_HOST: { status: 421, title: 'This service does not answer to that host name' },
  SLF_NO_PAIRS: { status: 422, title: 'No pair fits what was asked for' },
  SLF_UPLOAD_STUDY: { status: 422, title: 'The upload is not one study' },
  SLF_ZIP: { status: 422, title: 'The zip is one that is not opened' },
  SLF_SPEC_CONFLICT: {
    status: 422,
    title: 'A field of the session contradicts itself, another field or the data',
  },
  SLF_STUDY_MISSING: { status: 422, title: 'The session names a study that is not in the catalogue' },
  SLF_SHAPES_DIFFER: { status: 422, title: 'The pairs of the session differ in shape' },
  SLF_SOURCES_DIFFER: {
    status: 422,
    title: 'Several sources of a study have a structure that is asked for',
  },
  SLF_CHANNELS_DIFFER: { status: 422, title: 'The pairs of the session differ in channels' },
  SLF_BATCH_TOO_LARGE: { status: 422, title: 'One batch is larger than the limit' },
  SLF_PICTURE_TOO_LARGE: { status: 422, title: 'The picture is larger than the limit' },
  SLF_VALUE_RANGE: { status: 422, title: 'A value does not fit the dtype' },
  SLF_PAIR_FAILED: { status: 422, title: 'A pair of this batch cannot be loaded' },
  SLF_TOO_MANY_REQUESTS: { status: 429, title: 'This token or address asks too often' },
  SLF_HEAD_TOO_LARGE: { status: 431, title: 'The head of the request is larger than the limit' },
  SLF_INTERNAL: { status: 500, title: 'The service failed' },
  SLF_NOT_READY: { status: 503, title: 'The catalogue is not scanned yet' },
  SLF_SCAN: { status: 503, title: 'The scan failed' },
  SLF_BUDGET: { status: 503, title: 'The memory budget is used up' },
  SLF_BUSY: { status: 503, title: 'Too many bodies are being sent at a time' },
  SLF_UPLOADS_BUSY: { status: 503, title: 'As many uploads as are allowed are under way' },
  SLF_CONNECTIONS: { status: 503, title: 'Too many connections are open' },
  SLF_LOADER: { status: 503, title: 'The loaders are coming back' },
  SLF_ROOM: { status: 503, title: 'The disk is full or too many files are open' },
  SLF_CLOSING: { status: 503, title: 'The service is closing' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** What an error may name beside its text; never a value of a DICOM element and never a server path. */
export interface ErrorSubject {
  readonly pair?: string;
  readonly file?: string;
  readonly field?: string;
  /** Seconds after which the same request is worth another try; set on 429s, and on 503s that are not over in a second. */
  readonly retryAfterS?: number;
}

/** An error with an answer: thrown anywhere, turned into problem+json by the failure plugin. */
export class SlfError extends Error {
  override readonly name = 'SlfError';
  readonly status: number;
  readonly title: string;
  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly subject: ErrorSubject = {},
  ) {
    super(`${code}: ${detail}`);
    this.status = ERRORS[code].status;
    this.title = ERRORS[code].title;
  }
}
