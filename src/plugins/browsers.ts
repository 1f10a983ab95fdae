import plugin from 'fastify-plugin';

/** Has every answer tell browsers that it is what its type says, and that no other site's page may take it in. */
export const browsers = plugin(
  async (app) => {
    app.addHook('onRequest', (_request, reply, done) => {
      reply.header('x-content-type-options', 'nosniff');
      reply.header('cross-origin-resource-policy', 'same-origin');
      done();
    });
  },
  { name: 'browsers' },
);
