import type { RouteOptions } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { ERRORS } from '../src/errors.js';

const closed = { additionalProperties: false };

/** Makes a query schema that refuses unknown fields; a field with a default may be left out. */
export function query<T extends Record<string, TSchema>>(fields: T) {
  const schema = Type.Object(fields, closed);
  const { required = [] } = schema as { required?: readonly string[] };
  return { ...schema, required: required.filter((name) => !('default' in fields[name]!)) } as typeof schema;
}

/** A body of a call that takes all it needs from its URL. */
export const Empty = Type.Object({}, closed);

/** A form of files; its parts are streamed, so that nothing of it is checked here. */
export const FilesForm = Type.Unsafe<unknown>({
  type: 'object',
  properties: {
    file: {
      type: 'array',
      description: 'one or more files',
      items: { type: 'string', format: 'binary', contentMediaType: 'application/octet-stream' },
    },
  },
});

/** What every error answers. */
const Problem = Type.Object(
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
  { title: 'Problem', description: 'application/problem+json' },
);

type ProblemStatus = 400 | 401 | 403 | 404 | 406 | 408 | 409 | 410 | 413 | 415 | 421 | 422 | 429 | 431 | 503;

/** The error answers of a route, for its response schema; those that every route has come by `shareProblems`. */
export function problems(...statuses: ProblemStatus[]) {
  const content = { 'application/problem+json': { schema: Problem } };
  return Object.fromEntries(statuses.map((status) => [status, { description: 'problem', content }]));
}

/**
 * Adds to the schema of a route what all routes have: whether it is open, and error answers that depend on
 * the caller, the rate, the host, the body, and the time.
 */
export function describeShared({ method, config, schema }: RouteOptions): void {
  if (!schema || schema.hide) return;
  // The contract as a whole requires a token.
  if (config?.access === 'open') schema.security = [];
  const shared: ProblemStatus[] = [400, 408, 431, 503];
  if (config?.access !== 'open') shared.push(401, 403, 421, 429);
  if (method !== 'GET' && method !== 'HEAD') shared.push(413, 415);
  // biome-ignore lint/plugin: no more than there are statuses
  schema.response = { ...problems(...shared), ...(schema.response as object) };
}

// The examples are of the demo's phantom and of a session opened with the example of its own call.
const StudyParam = Type.String({ description: 'as `GET /v1/studies` lists them', examples: ['PHANTOM001'] });
const SliceParam = Type.String({
  description: 'as `GET /v1/studies/{study}/pairs` lists them',
  examples: ['1'],
});
const SessionParam = Type.String({
  description: "a session's name, 1 to 64 of `A-Za-z0-9._-`",
  examples: ['training'],
});

export const StudyParams = Type.Object({ study: StudyParam });
export const PairParams = Type.Object({ study: StudyParam, slice: SliceParam });
export const SessionParams = Type.Object({ id: SessionParam });
/** The last step that can be asked for: the one behind it, where a cursor then stands, is still a number that one more makes greater. */
export const LAST_STEP = Number.MAX_SAFE_INTEGER - 1;

export const StepParams = Type.Object({
  id: SessionParam,
  step: Type.Integer({
    minimum: 0,
    maximum: LAST_STEP,
    description: '0, 1, 2 … over the whole training',
    examples: [0],
  }),
});

/** A page of a list. */
export const Page = {
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  after: Type.Optional(Type.String({ description: '`next` of the page before' })),
};
export const PageQuery = query(Page);

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

/** Batch bodies one after the other, always safetensors. */
export const BatchBodies = {
  description: 'batches one after the other, see the wire format',
  content: { 'application/x-safetensors': { schema: Type.String({ format: 'binary' }) } },
};

/** The answer if `If-None-Match` has the body's tag. */
export const Unchanged = Type.Null({ description: 'the client has these bytes already' });

export const Picture = {
  description: 'a PNG file',
  content: { 'image/png': { schema: Type.String({ format: 'binary' }) } },
};
