import type { FastifyPluginAsync } from 'fastify';
import type { Service } from '../src/service.js';
import { batches } from './batches.js';
import { health } from './health.js';
import { notBuilt } from './not-built.js';
import { pairs } from './pairs.js';
import { scan } from './scan.js';
import { sessions } from './sessions.js';
import { studies } from './studies.js';

/**
 * The whole URL map:
 *
 *     GET    /livez  /readyz                               health
 *     POST   /v1/scan                                      scan
 *     GET    /v1/studies                                   studies
 *     GET    /v1/studies/{study}                           studies
 *     GET    /v1/studies/{study}/pairs                     studies
 *     GET    /v1/studies/{study}/pairs/{slice}             pairs
 *     GET    /v1/studies/{study}/pairs/{slice}/overlay.png pairs
 *     GET    /v1/sessions                                  sessions
 *     POST   /v1/sessions                                  sessions
 *     PUT    /v1/sessions/{name}                           sessions
 *     GET    /v1/sessions/{id}                             sessions
 *     DELETE /v1/sessions/{id}                             sessions
 *     GET    /v1/sessions/{id}/batches/{step}              batches
 *     POST   /v1/sessions/{id}/next                        batches
 *     GET    /openapi.json  /docs                          the documentation plugin
 */
export const routes: FastifyPluginAsync<{ service: Service }> = async (app, { service }) => {
  await app.register(health, { service });
  await app.register(scan, { service });
  await app.register(studies, { service });
  await app.register(pairs, { service });
  await app.register(sessions, { service });
  await app.register(batches, { service });
  await app.register(notBuilt);
};
