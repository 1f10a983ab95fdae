import type { RouteOptions } from 'fastify';
import { Type } from 'typebox';
import { ERRORS } from '../src/errors.js';

const closed = { additionalProperties: false };

/** A body of a call that takes all it needs from its URL. */
export const Empty = Type.Object({}, closed);

/** A form of files; its parts are streamed, so that nothing of it is checked here. */
export const FilesForm = Type.Unsafe<unknown>({
  type: 'object',
  properties: {
    file: { type: 'array', items: { type: 'string', contentMediaType: 'application/octet-stream' } },
  },
});

/** What every error answers. */
export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'what to do next' }),
    code: Type.String({ enum: Object.keys(ERRORS) }),
    pair: Type.Optional(Type.String()),
    file: Type.Optional(Type.String()),
    field: Type.Optional(Type.String()),
  },
  { description: 'application/problem+json' },
);

type ProblemStatus = 400 | 401 | 403 | 404 | 406 | 409 | 410 | 413 | 415 | 421 | 422 | 429 | 503;

/** The error answers of a route, for its response schema; those that every route has come by `shareProblems`. */
export function problems(...statuses: ProblemStatus[]) {
  const content = { 'application/problem+json': { schema: Problem } };
  return Object.fromEntries(statuses.map((status) => [status, { description: 'problem', content }]));
}

/** Adds the error answers that a route has for being one: for who asks, how often, by which host, with what body, and when. */
export function shareProblems({ method, config, schema }: RouteOptions): void {
  if (!schema || schema.hide) return;
  const shared: ProblemStatus[] = [400, 503];
  if (config?.access !== 'open') shared.push(401, 421, 429);
  if (method !== 'GET' && method !== 'HEAD') {
    shared.push(413, 415);
    if (config?.access !== 'read') shared.push(403);
  }
  schema.response = { ...problems(...shared), ...(schema.response as object) };
}

export const StudyParams = Type.Object({ study: Type.String() });
export const PairParams = Type.Object({ study: Type.String(), slice: Type.String() });
export const SessionParams = Type.Object({ id: Type.String() });
/** The last step that can be asked for: the one behind it, where a cursor then stands, is still a number that one more makes greater. */
export const LAST_STEP = Number.MAX_SAFE_INTEGER - 1;

export const StepParams = Type.Object({
  id: Type.String(),
  step: Type.Integer({
    minimum: 0,
    maximum: LAST_STEP,
    description: '0, 1, 2 … over the whole training',
  }),
});

/** A page of a list. */
export const Page = {
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  after: Type.Optional(Type.String({ description: '`next` of the page before' })),
};
export const PageQuery = Type.Object(Page, closed);

export const Format = Type.Optional(
  Type.Unsafe<'safetensors' | 'npz'>({
    type: 'string',
    enum: ['safetensors', 'npz'],
    description: 'wins over Accept',
  }),
);
export const Rank = Type.Integer({ minimum: 0, maximum: 65_535, default: 0 });

/** A batch body in an OpenAPI response. */
export const BatchBody = {
  description: 'a batch, see the wire format',
  content: {
    'application/x-safetensors': { schema: Type.String({ format: 'binary' }) },
    'application/x-npz': { schema: Type.String({ format: 'binary' }) },
  },
};

export const Picture = {
  description: 'a PNG file',
  content: { 'image/png': { schema: Type.String({ format: 'binary' }) } },
};

/** Makes a query schema that refuses what it does not know. */
export function query<T extends Record<string, import('typebox').TSchema>>(fields: T) {
  return Type.Object(fields, closed);
}
