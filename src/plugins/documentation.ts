import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyReply } from 'fastify';
import plugin from 'fastify-plugin';
import type { Tokens } from '../tokens.js';
import { VERSION } from '../version.js';
import { finishContract } from './contract.js';
import { type PageFile, readPageFiles } from './documentation-files.js';
import { pages } from './pages.js';

/** The contract as OpenAPI 3.1 at `/openapi.json` and as a page at `/docs`, made from the route schemas. */
export const documentation = plugin<{ tokens: Tokens }>(
  async (app, { tokens }) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'slicefeed',
          description: 'Training batches of medical images and masks, straight from DICOM and contours.',
          version: VERSION,
        },
        tags: [
          { name: 'service', description: 'whether it lives, is ready, and what it sees' },
          { name: 'studies', description: 'what the catalogue holds' },
          { name: 'sessions', description: "a trainer's feed" },
          { name: 'batches', description: 'what trainers read' },
        ],
        components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
        // Where no token is needed, sending one is no fault.
        security: tokens.needed ? [{ token: [] }] : [{}, { token: [] }],
      },
      transformObject: (made) =>
        'openapiObject' in made ? finishContract(made.openapiObject) : made.swaggerObject,
    });
    app.addHook('onRoute', (route) => {
      if (route.url === '/docs' || route.url.startsWith('/docs/'))
        route.config = { ...route.config, access: 'open' };
    });
    const pageFiles = readPageFiles();
    let contract: PageFile | null = null;
    /** All answers share these bytes, so answers that wait for their readers take no more memory than one. */
    const readContract = (): PageFile => {
      contract ??= {
        type: 'application/json; charset=utf-8',
        content: Buffer.from(JSON.stringify(app.swagger())),
      };
      return contract;
    };
    await app.register(async (scope) => {
      await scope.register(pages);
      // Run before the library's own handlers, which open a file or write the contract out for each answer.
      scope.addHook('onRequest', (request, reply, done) => {
        const { url } = request.routeOptions;
        if (url === '/docs/json') return sendFile(reply, readContract());
        if (url !== '/docs/static/*') return done();
        const file = pageFiles.get((request.params as { '*': string })['*']);
        if (file) return sendFile(reply, file);
        reply.callNotFound();
      });
      await scope.register(swaggerUi, { routePrefix: '/docs' });
    });
    app.get('/', { config: { access: 'open' }, schema: { hide: true } }, (_request, reply) =>
      reply.redirect('/docs'),
    );
    app.get('/openapi.json', { config: { access: 'open' }, schema: { hide: true } }, (_request, reply) =>
      sendFile(reply, readContract()),
    );
  },
  { name: 'documentation' },
);

function sendFile(reply: FastifyReply, { type, content }: PageFile): void {
  reply.type(type).send(content);
}
