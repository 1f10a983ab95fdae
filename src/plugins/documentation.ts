import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import plugin from 'fastify-plugin';
import { VERSION } from '../version.js';
import { pages } from './pages.js';

/** The contract as OpenAPI 3.1 at `/openapi.json` and as a page at `/docs`, made from the route schemas. */
export const documentation = plugin(
  async (app) => {
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
        security: [{ token: [] }],
      },
    });
    app.addHook('onRoute', (route) => {
      if (route.url === '/docs' || route.url.startsWith('/docs/'))
        route.config = { ...route.config, access: 'open' };
    });
    await app.register(async (scope) => {
      await scope.register(pages);
      await scope.register(swaggerUi, { routePrefix: '/docs' });
    });
    app.get('/openapi.json', { config: { access: 'open' }, schema: { hide: true } }, async () =>
      app.swagger(),
    );
  },
  { name: 'documentation' },
);
