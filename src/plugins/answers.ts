import plugin from 'fastify-plugin';
import type { Metrics } from '../metrics.js';
import { codeOf } from './failure.js';

/**
 * Counts answers by HTTP status and error code, and registers the server so that the metrics count open
 * connections.
 */
export const answers = plugin<{ metrics: Metrics }>(
  async (app, { metrics }) => {
    app.addHook('onListen', async () => metrics.watch(app.server));
    app.addHook('onResponse', (_request, reply, done) => {
      metrics.answers.inc({ status: reply.statusCode, code: codeOf.get(reply.raw) ?? '' });
      done();
    });
  },
  { name: 'answers', dependencies: ['failure'] },
);
