import { Ajv } from 'ajv';
import build from 'fast-json-stringify';
import type { FastifySchema, FastifySchemaCompiler } from 'fastify';
import plugin from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `early`: what checks its requests and writes its answers is compiled once the service listens; else with its first request. */
    compiled?: 'early';
  }
}

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
  // The format of files in forms, which are not checked here.
  formats: { binary: true },
  // What it would win is less than it takes.
  code: { optimize: false },
} as const;

type Check = ReturnType<FastifySchemaCompiler<FastifySchema>>;

/** What is made with its first use: to compile the checks of every route took a start longer than all else it does. */
function lazy<Made>(make: () => Made): () => Made {
  let made: { readonly value: Made } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function checkBy(compiled: () => ReturnType<Ajv['compile']>): Check {
  const check: Check = (data: unknown) => {
    const holds = compiled()(data) as boolean;
    check.errors = compiled().errors as Check['errors'];
    return holds;
  };
  return check;
}

/** JSON bodies as the contract has them: an empty one means all defaults, nothing is coerced, an unknown field is refused. */
export const parsing = plugin(
  async (app) => {
    const bodies = new Ajv({ ...OPTIONS, coerceTypes: false });
    const queries = new Ajv({ ...OPTIONS, coerceTypes: true });
    const earlyRoutes = new Set<string>();
    const early: (() => unknown)[] = [];
    const compiledOf = <Made>({ method, url }: { method: string; url: string }, compile: () => Made) => {
      const compiled = lazy(compile);
      if (earlyRoutes.has(`${method} ${url}`)) early.push(compiled);
      return compiled;
    };
    app.addHook('onRoute', ({ method, url, config }) => {
      if (config?.compiled === 'early') earlyRoutes.add(`${method} ${url}`);
    });
    app.setValidatorCompiler(({ schema, httpPart, ...route }) => {
      const ajv = httpPart === 'body' ? bodies : queries;
      return checkBy(compiledOf(route, () => ajv.compile(schema as object)));
    });
    app.setSerializerCompiler(({ schema, httpStatus = '', ...route }) => {
      const compile = () => build(schema as object);
      // What a problem is answered with, every route has, and few requests need.
      const compiled = httpStatus.startsWith('2') ? compiledOf(route, compile) : lazy(compile);
      return (answer) => compiled()(answer);
    });
    let closing = false;
    // One a turn: requests are answered in between.
    const compileNext = () => {
      if (closing) return;
      early.shift()?.();
      if (early.length > 0) setImmediate(compileNext);
    };
    app.addHook('onListen', (done) => {
      setImmediate(compileNext);
      done();
    });
    app.addHook('preClose', async () => {
      closing = true;
    });
    app.removeContentTypeParser('text/plain');
    const parseJson = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, {});
      else parseJson(request, body as string, done);
    });
    // Many clients name a type for every POST; a body that is not there has none, but a form of files, which is told that it is empty.
    app.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
      if (headers['content-length'] === '0' && !headers['content-type']?.startsWith('multipart/'))
        delete headers['content-type'];
      done();
    });
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.body === undefined) request.body = {};
      done();
    });
  },
  { name: 'parsing' },
);
