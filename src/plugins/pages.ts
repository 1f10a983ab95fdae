import helmet from '@fastify/helmet';
import plugin from 'fastify-plugin';

const OWN = ["'self'"];

/** Headers that browsers are to keep to on pages, with a policy under which nothing but the service's own scripts runs. For a scope of pages alone. */
export const pages = plugin(
  async (scope) => {
    await scope.register(helmet, {
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
  },
  { name: 'pages' },
);
