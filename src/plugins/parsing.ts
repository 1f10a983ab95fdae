import { Ajv } from 'ajv';
import build from 'fast-json-stringify';
import type { FastifySchema, FastifySchemaCompiler } from 'fastify';
import plugin from 'fastify-plugin';

// A body says what it means; a query can hold nothing but text, so its numbers are read from it.
const OPTIONS = {
  removeAdditional: false,
  useDefaults: true,
  allErrors: false,
  verbose: true,
  strict: false,
  // The schemas are the routes' own: to check them too would double what compiling them takes.
  meta: false,
  validateSchema: false,
  // What it would win is less than it takes.
  code: { optimize: false },
} as const;

type Check = ReturnType<FastifySchemaCompiler<FastifySchema>>;

/** A check that is compiled with its first use: to compile every route's took a start longer than all else it does. */
function checkBy(ajv: Ajv, schema: object): Check {
  let compiled: ReturnType<Ajv['compile']> | null = null;
  const check: Check = (data: unknown) => {
    compiled ??= ajv.compile(schema);
    const holds = compiled(data) as boolean;
    check.errors = compiled.errors as Check['errors'];
    return holds;
  };
  return check;
}

/** A writer of answers, compiled with the first one for the same reason. */
function writerOf(schema: object): (answer: unknown) => string {
  let compiled: ((answer: unknown) => string) | null = null;
  return (answer) => {
    compiled ??= build(schema);
    return compiled(answer);
  };
}

/** JSON bodies as the contract has them: an empty one means all defaults, nothing is coerced, an unknown field is refused. */
export const parsing = plugin(
  async (app) => {
    const bodies = new Ajv({ ...OPTIONS, coerceTypes: false });
    const queries = new Ajv({ ...OPTIONS, coerceTypes: true });
    app.setValidatorCompiler(({ schema, httpPart }) =>
      checkBy(httpPart === 'body' ? bodies : queries, schema as object),
    );
    app.setSerializerCompiler(({ schema }) => writerOf(schema as object));
    app.removeContentTypeParser('text/plain');
    const parseJson = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, {});
      else parseJson(request, body as string, done);
    });
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.body === undefined || request.body === null) request.body = {};
      done();
    });
  },
  { name: 'parsing' },
);
