import type { FastifyPluginAsync } from 'fastify';
import type { Service } from '../src/service.js';
import { audit } from './audit.js';
import { batches } from './batches.js';
import { health } from './health.js';
import { masks } from './masks.js';
import { metrics } from './metrics.js';
import { pairs } from './pairs.js';
import { quarantine } from './quarantine.js';
import { report } from './report.js';
import { scan } from './scan.js';
import { describeShared } from './schemas.js';
import { sessions } from './sessions.js';
import { splits } from './splits.js';
import { stream } from './stream.js';
import { studies } from './studies.js';
import { studyMasks } from './study-masks.js';
import { uploads } from './uploads.js';

/**
 * The whole URL map:
 *
 *     GET    /livez  /readyz                               health
 *     GET    /metrics                                      metrics
 *     POST   /v1/scan                                      scan
 *     GET    /v1/quarantine                                quarantine
 *     DELETE /v1/quarantine/{study}/{slice}                quarantine
 *     GET    /v1/studies                                   studies
 *     GET    /v1/studies/{study}                           studies
 *     GET    /v1/studies/{study}/pairs                     studies
 *     GET    /v1/studies/{study}/pairs/{slice}             pairs
 *     GET    /v1/studies/{study}/pairs/{slice}/overlay.png pairs
 *     GET    /v1/studies/{study}/masks                     studyMasks
 *     GET    /v1/studies/{study}/report                    report
 *     GET    /v1/report                                    report
 *     GET    /v1/splits                                    splits
 *     GET    /v1/sessions                                  sessions
 *     POST   /v1/sessions                                  sessions
 *     PUT    /v1/sessions/{name}                           sessions
 *     GET    /v1/sessions/{id}                             sessions
 *     DELETE /v1/sessions/{id}                             sessions
 *     GET    /v1/sessions/{id}/pairs                       sessions
 *     GET    /v1/sessions/{id}/batches/{step}              batches
 *     GET    /v1/sessions/{id}/batches/{step}/overlay.png  batches
 *     POST   /v1/sessions/{id}/next                        batches
 *     GET    /v1/sessions/{id}/stream                      stream
 *     GET    /v1/sessions/{id}/audit                       audit
 *     POST   /v1/masks                                     masks
 *     POST   /v1/studies                                   uploads
 *     DELETE /v1/studies/{study}                           uploads
 *     GET    /  /openapi.json  /docs                       the documentation plugin
 */
export const routes: FastifyPluginAsync<{ service: Service }> = async (app, { service }) => {
  app.addHook('onRoute', describeShared);
  await app.register(health, { service });
  await app.register(metrics, { service });
  await app.register(scan, { service });
  await app.register(quarantine, { service });
  await app.register(studies, { service });
  await app.register(pairs, { service });
  await app.register(studyMasks, { service });
  await app.register(report, { service });
  await app.register(splits, { service });
  await app.register(sessions, { service });
  await app.register(batches, { service });
  await app.register(stream, { service });
  await app.register(audit, { service });
  await app.register(masks, { service });
  await app.register(uploads, { service });
};
