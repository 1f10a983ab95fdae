import helmet from '@fastify/helmet';
import plugin from 'fastify-plugin';

const OWN = ["'self'"];

/**
 * Headers that browsers are to keep to: on pages the whole of helmet with a policy under which nothing but the service's own scripts
 * runs; on every other answer that it is what its type says and no other site's page may take it in.
 */
export const pages = plugin(
  async (app) => {
    app.addHook('onRoute', (route) => {
      if (route.url === '/docs' || route.url.startsWith('/docs/')) route.helmet = {};
    });
    await app.register(helmet, {
      global: false,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: OWN,
          // The page sets styles of single elements while it runs.
          styleSrc: [...OWN, "'unsafe-inline'"],
          imgSrc: [...OWN, 'data:', 'blob:'],
          fontSrc: OWN,
          connectSrc: OWN,
          baseUri: ["'none'"],
          formAction: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      // Whether a name is only ever reached over TLS is for those to say who own the name.
      strictTransportSecurity: false,
      xFrameOptions: { action: 'deny' },
    });
    app.addHook('onRequest', (_request, reply, done) => {
      reply.header('x-content-type-options', 'nosniff');
      reply.header('cross-origin-resource-policy', 'same-origin');
      done();
    });
  },
  { name: 'pages' },
);
