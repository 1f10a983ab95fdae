import { Ajv } from 'ajv';
import plugin from 'fastify-plugin';

// A body says what it means; a query can hold nothing but text, so its numbers are read from it.
const OPTIONS = {
  removeAdditional: false,
  useDefaults: true,
  allErrors: false,
  verbose: true,
  strict: false,
} as const;

/** JSON bodies as the contract has them: an empty one means all defaults, nothing is coerced, an unknown field is refused. */
export const parsing = plugin(
  async (app) => {
    const bodies = new Ajv({ ...OPTIONS, coerceTypes: false });
    const queries = new Ajv({ ...OPTIONS, coerceTypes: true });
    app.setValidatorCompiler(({ schema, httpPart }) =>
      (httpPart === 'body' ? bodies : queries).compile(schema as object),
    );
    app.removeContentTypeParser('text/plain');
    const parseJson = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, {});
      else parseJson(request, body as string, done);
    });
    app.addHook('preValidation', async (request) => {
      if (request.body === undefined || request.body === null) request.body = {};
    });
  },
  { name: 'parsing' },
);
