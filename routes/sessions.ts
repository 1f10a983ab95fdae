import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Flagged } from '../src/catalog/selection.js';
import { presentStudies } from '../src/catalog/studies.js';
import { othersTurn } from '../src/catalog/turns.js';
import { isId, type SessionId } from '../src/core/ids.js';
import { SlfError } from '../src/errors.js';
import { orNull } from '../src/nullable.js';
import type { Service } from '../src/service.js';
import { chooseStudies } from '../src/sessions/choose.js';
import { ownersOf } from '../src/sessions/owner.js';
import { listPairs } from '../src/sessions/pair-list.js';
import { refuseLoad } from '../src/sessions/refusal.js';
import { SpecRequest } from '../src/sessions/request.js';
import type { Session } from '../src/sessions/session.js';
import type { Bearer } from '../src/tokens.js';
import { PageQuery, problems, SessionParams } from './schemas.js';

/** A page of sessions ends after the session whose spec exceeds this size. */
const PAGE_BYTES = 1024 * 1024;
/** A cursor as JSON. */
const CURSOR_BYTES = 17;

const Tensor = Type.Object({ dtype: Type.String(), shape: Type.Array(Type.Integer()) });

const Opened = {
  id: Type.String(),
  spec: Type.Unsafe<object>({
    type: 'object',
    additionalProperties: true,
    description: 'every default filled in',
  }),
  specDigest: Type.String(),
  snapshot: Type.String(),
  bytesVersion: Type.String(),
  pairs: Type.Integer(),
  unusable: Type.Integer({
    description: 'slices of its studies that are no pairs because a structure on them cannot be used in full',
  }),
  stepsPerEpoch: Type.Integer(),
  steps: orNull(Type.Integer()),
  batchBytes: Type.Integer({ description: "the tensors of one rank's full batch" }),
  batch: Type.Record(Type.String(), Tensor),
};

const OpenedSession = Type.Object(Opened, { title: 'OpenedSession' });

const Seen = Type.Object(
  {
    ...Opened,
    state: Type.String({ description: 'open, or idle: it holds no memory until it is asked again' }),
    cursors: Type.Array(Type.Integer(), { description: 'for each rank the step that `next` gives' }),
    delivered: Type.Integer({ description: 'batches sent whole' }),
    warm: Type.Integer({ description: 'batches loaded and waiting' }),
    waitMs: Type.Number({ description: 'total time that trainers waited since the service started' }),
    loadMs: Type.Number(),
    hits: Type.Integer(),
    misses: Type.Integer(),
  },
  { title: 'Session' },
);

const SessionPair = Type.Object({
  index: Type.Integer({ description: 'its place in the snapshot, as batches have it in `pairs`' }),
  id: Type.String(),
  study: Type.String(),
  slice: Type.String(),
  fold: orNull(Type.Integer({ description: "its study's fold in the session's split; null without one" })),
  structures: Type.Array(Type.String(), { description: 'structures of the session that it has contours of' }),
  missing: Type.Array(Type.String(), {
    description: 'structures of the session that it has no contour of: their masks are empty',
  }),
});

/** A tensor's shape; -1 for rows and columns where each batch has its own. */
function varying({ stored }: Session, shape: readonly number[]): number[] {
  const fixed = stored.spec.shape.rows !== null;
  return shape.map((size, axis) => (fixed || shape.length < 4 || axis < 2 ? size : -1));
}

/** What a session is. */
function opened(session: Session) {
  const { stored, plan, layout, digest } = session;
  return {
    id: stored.id as string,
    spec: stored.spec,
    specDigest: digest as string,
    snapshot: stored.snapshot.digest as string,
    bytesVersion: stored.bytesVersion,
    pairs: stored.snapshot.pairs,
    unusable: stored.snapshot.summary.unusable ?? 0,
    stepsPerEpoch: plan.stepsPerEpoch,
    steps: plan.steps,
    batchBytes: layout.sizeBytes,
    batch: Object.fromEntries(
      layout.tensors.map(({ name, dtype, shape }) => [name, { dtype, shape: varying(session, shape) }]),
    ),
  };
}

/** Opening, joining, looking at and ending sessions. */
export const sessions: FastifyPluginAsyncTypebox<{ service: Service }> = async (app, { service }) => {
  const { db, quality, sessions: all, config } = service;
  const ownerOf = ownersOf(config.state);

  /** What the request leaves out, by the report as it is now; null where it says nothing of it or its snapshot does. */
  async function flaggedBy(request: SpecRequest, name: SessionId | null): Promise<Flagged | null> {
    const { exclude = [], snapshot } = request;
    if (exclude.length === 0 || snapshot || (name !== null && all.isKnown(request, name))) return null;
    const studies = chooseStudies(db, request, presentStudies(db));
    try {
      return await quality.flagged(studies, exclude);
    } catch (error) {
      throw refuseLoad(error);
    }
  }

  async function open(
    { body: request, bearer }: { body: SpecRequest; bearer: Bearer | null },
    name: SessionId | null,
  ) {
    const owner = ownerOf(bearer);
    if (!service.scans.hasEnded)
      throw new SlfError('SLF_NOT_READY', 'ask again when GET /readyz answers 200', { retryAfterS: 1 });
    // Check this before asking for the report, which may take a while.
    all.checkLimits(request, name, owner);
    const opened = all.open(request, name, await flaggedBy(request, name), owner);
    // The first batch is with a loader, if one is free, before the answer leaves.
    await new Promise((resolve) => setImmediate(resolve));
    return opened;
  }

  function seen(id: string) {
    const { session, state } = all.look(id);
    const { waitMs, loadMs, hits, misses } = session.timings;
    const { incarnation, spec } = session.stored;
    return {
      ...opened(session),
      state,
      cursors: all.store.cursors(incarnation, spec.worldSize),
      delivered: all.store.deliveredCount(incarnation),
      warm: session.warmCount,
      waitMs: Math.round(waitMs * 100) / 100,
      loadMs: Math.round(loadMs * 100) / 100,
      hits,
      misses,
    };
  }

  app.post(
    '/v1/sessions',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'openSession',
        summary: 'Opens a session under a name the service makes',
        tags: ['sessions'],
        body: SpecRequest,
        response: { 201: OpenedSession, ...problems(400, 409, 410, 413, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const { session } = await open(request, null);
      return reply.code(201).header('location', `/v1/sessions/${session.stored.id}`).send(opened(session));
    },
  );

  app.put(
    '/v1/sessions/:id',
    {
      config: { access: 'read', compiled: 'early' },
      schema: {
        operationId: 'openNamedSession',
        summary: 'Opens a session under your name, or joins it: every rank sends the same PUT',
        tags: ['sessions'],
        params: SessionParams,
        body: SpecRequest,
        response: {
          200: OpenedSession,
          201: OpenedSession,
          ...problems(400, 409, 410, 413, 415, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (!isId(id))
        throw new SlfError('SLF_INVALID', "a session's name has 1 to 64 of A-Z a-z 0-9 . _ -", {
          field: 'name',
        });
      const { session, created } = await open(request, id as SessionId);
      return reply
        .code(created ? 201 : 200)
        .header('location', `/v1/sessions/${session.stored.id}`)
        .send(opened(session));
    },
  );

  app.get(
    '/v1/sessions',
    {
      schema: {
        operationId: 'listSessions',
        summary: 'The sessions',
        description: 'A page ends before `limit` where its specs are long: `next` leads on.',
        tags: ['sessions'],
        querystring: PageQuery,
        response: {
          200: Type.Object({ sessions: Type.Array(Seen), next: orNull(Type.String()) }),
          ...problems(400),
        },
      },
    },
    async ({ query: { limit, after = '' } }) => {
      const ids = all.store.ids(after, limit + 1);
      const shown: ReturnType<typeof seen>[] = [];
      let bytes = 0;
      let last = '';
      for (const id of ids.slice(0, limit)) {
        if (bytes > PAGE_BYTES) break;
        last = id;
        // The session may have been ended since.
        if (!all.store.get(id)) continue;
        const session = seen(id);
        shown.push(session);
        bytes += JSON.stringify(session.spec).length + session.cursors.length * CURSOR_BYTES;
        await othersTurn();
      }
      return { sessions: shown, next: last === (ids.at(-1) ?? '') ? null : last };
    },
  );

  app.get(
    '/v1/sessions/:id',
    {
      schema: {
        operationId: 'getSession',
        summary: 'One session: its spec, cursors and timings',
        tags: ['sessions'],
        params: SessionParams,
        response: { 200: Seen, ...problems(404) },
      },
    },
    async ({ params: { id } }) => seen(id),
  );

  app.get(
    '/v1/sessions/:id/pairs',
    {
      schema: {
        operationId: 'listSessionPairs',
        summary: 'Lists the pairs of a session, in the order of its snapshot',
        tags: ['sessions'],
        params: SessionParams,
        querystring: PageQuery,
        response: {
          200: Type.Object({ pairs: Type.Array(SessionPair), next: orNull(Type.String()) }),
          ...problems(400, 404),
        },
      },
    },
    async ({ params: { id }, query: { limit, after = '' } }) => {
      const { stored } = all.look(id).session;
      if (!/^\d{0,15}$/.test(after))
        throw new SlfError('SLF_INVALID', 'after is the `next` of the page before', { field: 'after' });
      const from = after === '' ? 0 : Number(after) + 1;
      const pairs = listPairs(db, stored, from, limit).map((pair) => ({
        ...pair,
        structures: [...pair.structures],
        missing: [...pair.missing],
      }));
      const isLast = from + pairs.length >= stored.snapshot.pairs;
      return { pairs, next: isLast ? null : String(from + pairs.length - 1) };
    },
  );

  app.delete(
    '/v1/sessions/:id',
    {
      // Checked below: a read-only token may end the sessions that it opened.
      config: { access: 'read' },
      schema: {
        operationId: 'deleteSession',
        summary: 'Ends a session and frees its warm batches; a read-only token may end those that it opened',
        tags: ['sessions'],
        params: SessionParams,
        response: { 204: Type.Null(), ...problems(403, 404) },
      },
    },
    async ({ params: { id }, bearer }, reply) => {
      const stored = all.store.get(id);
      if (!stored)
        throw new SlfError(
          'SLF_SESSION_UNKNOWN',
          'there is nothing to end: GET /v1/sessions lists the sessions',
        );
      if (bearer?.may === 'read' && stored.owner !== ownerOf(bearer))
        throw new SlfError(
          'SLF_READ_ONLY_TOKEN',
          'another token opened this session: end it with that one, or with one without the prefix ro:',
        );
      all.delete(id);
      return reply.code(204).send(null);
    },
  );
};
