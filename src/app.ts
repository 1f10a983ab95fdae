import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyInstance, type FastifyReply, LogController } from 'fastify';
import type { Logger } from 'pino';
import { routes } from '../routes/index.js';
import { makeListener } from './listener.js';
import { answers } from './plugins/answers.js';
import { auth } from './plugins/auth.js';
import { bearer } from './plugins/bearer.js';
import { browsers } from './plugins/browsers.js';
import { connections } from './plugins/connections.js';
import { disconnect } from './plugins/disconnect.js';
import { documentation } from './plugins/documentation.js';
import { answerTo, failure, refuseConnection, sendProblem } from './plugins/failure.js';
import { host } from './plugins/host.js';
import { parsing } from './plugins/parsing.js';
import { rate } from './plugins/rate.js';
import { slowBodies } from './plugins/slow-bodies.js';
import { unsent } from './plugins/unsent.js';
import type { Service } from './service.js';
import type { TlsFiles } from './tls.js';
import type { Tokens } from './tokens.js';

/** What the HTTP edge asks of those who come. */
export interface Edge {
  readonly tokens: Tokens;
  /** Of one token or address; 0: any number. */
  readonly requestsAMinute: number;
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  /** Whether it answers to any name without a token. */
  readonly insecure: boolean;
  readonly connections: number;
  /** How long the head of a request may take, and how long its body may stop coming. */
  readonly slowMs: number;
  /** How long a reader may stand still. */
  readonly readerMs: number;
}

/** The HTTP edge over a running service: plugins, then routes, in the order in which a request meets them. */
export async function buildApp(service: Service, log: Logger, edge: Edge): Promise<FastifyInstance> {
  const { tokens, requestsAMinute, tls, slowMs, readerMs } = edge;
  const app = fastify({
    loggerInstance: log,
    serverFactory: (handler) => makeListener(handler, { tls, slowMs }),
    // One line a batch says more than two a request; what failed is logged where it is answered.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 1024 * 1024,
    // An id of any length is looked up and not found like another; the parser bounds the whole head at 16 KiB.
    routerOptions: { maxParamLength: 16 * 1024 },
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply as unknown as FastifyReply, answerTo(error));
    },
    clientErrorHandler: refuseConnection,
    return503OnClosing: true,
  }).withTypeProvider<TypeBoxTypeProvider>();
  await app.register(failure);
  await app.register(answers, { metrics: service.metrics });
  await app.register(browsers);
  await app.register(connections, { most: edge.connections, readerMs });
  await app.register(host, { localOnly: !tokens.needed && !edge.insecure });
  await app.register(unsent);
  await app.register(disconnect);
  await app.register(slowBodies, { slowMs });
  await app.register(parsing);
  await app.register(bearer, { tokens });
  await app.register(rate, { tokens, perMinute: requestsAMinute });
  await app.register(auth, { tokens });
  await app.register(documentation, { tokens });
  await app.register(routes, { service });
  return app as unknown as FastifyInstance;
}
