import { createHash, randomBytes } from 'node:crypto';
import type { Flagged } from '../catalog/selection.js';
import type { Snapshot } from '../catalog/snapshot.js';
import { BYTES_VERSION } from '../core/bytes-version.js';
import type { SessionId } from '../core/ids.js';
import { SlfError } from '../errors.js';
import type { Journal } from '../journal.js';
import type { Spool } from '../loader/spool.js';
import { checkBatchBytes } from './batch-limit.js';
import type { SpecRequest } from './request.js';
import { type Resolved, resolveSpec } from './resolve.js';
import { Session, type SessionContext, type Timings } from './session.js';
import { canonicalJson } from './spec.js';
import { differingFields } from './spec-difference.js';
import { type Delivered, newIncarnation, SessionStore, type StoredSession } from './store.js';

export interface SessionsOptions extends Omit<SessionContext, 'checkRoom'> {
  readonly spool: Spool;
  readonly journal: Journal<Delivered>;
  readonly idleMs: number;
  readonly batchBytesLimit: number;
  /** The most bytes of a spec as JSON. */
  readonly specBytesLimit: number;
  readonly sessionsOfToken: number;
  /** Told of each snapshot that a session in use stands on. */
  readonly onOpened: (snapshot: Snapshot) => void;
  /** Told of each request that is looked up in the catalogue and of each session that is deleted: rows may be left that nobody needs. */
  readonly onLeft: () => void;
}

function requestDigest(request: SpecRequest): string {
  return createHash('sha256').update(canonicalJson(request)).digest('hex');
}

const IDLE_CHECK_MS = 10_000;

/** All sessions: those in use are held ready, the others rest in the store until somebody asks. */
export class Sessions {
  readonly store: SessionStore;
  #options: SessionsOptions;
  #context: SessionContext;
  #live = new Map<SessionId, Session>();
  /** For each session that is held, the function that releases its share of the budget. */
  #releases = new Map<SessionId, () => void>();
  /** Of sessions that rest, too. */
  #timings = new Map<SessionId, Timings>();
  #idleCheck: NodeJS.Timeout;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.store = new SessionStore(options.db, options.journal);
    this.#context = { ...options, checkRoom: () => this.store.checkRoom() };
    options.spool.onPressure = (neededBytes) => this.#cool(neededBytes);
    this.#idleCheck = setInterval(() => this.#restIdle(), Math.min(IDLE_CHECK_MS, options.idleMs));
    this.#idleCheck.unref();
  }

  get liveCount(): number {
    return this.#live.size;
  }

  get warmCount(): number {
    return [...this.#live.values()].reduce((sum, session) => sum + session.warmCount, 0);
  }

  /** Bytes of the budget that sessions in use have reserved: one batch for each rank. */
  get reservedBytes(): number {
    return [...this.#live.values()].reduce((sum, session) => sum + session.reservedBytes, 0);
  }

  /**
   * Throws `SlfError` if an owner may not open a session with this request; joining an existing session is
   * always allowed.
   */
  checkLimits(request: SpecRequest, name: SessionId | null, owner: string | null): void {
    if (name !== null && this.store.get(name)) return;
    this.#checkSpecBytes(canonicalJson(request));
    const { sessionsOfToken } = this.#options;
    if (this.store.countOf(owner) >= sessionsOfToken)
      throw new SlfError(
        'SLF_SESSIONS_FULL',
        `there are ${sessionsOfToken}: end those that are done with DELETE /v1/sessions/{id}, or raise SLICEFEED_SESSIONS`,
      );
  }

  /**
   * Opens a session and starts to load its first batch; if a session of this name exists, joins it. `owner`:
   * who opens it, null if owners are not told apart. Throws `SlfError`.
   */
  open(
    request: SpecRequest,
    name: SessionId | null,
    flagged: Flagged | null = null,
    owner: string | null = null,
  ): { session: Session; created: boolean } {
    this.checkLimits(request, name, owner);
    const known = name === null ? null : this.store.get(name);
    if (known) {
      this.#checkSameSpec(known, request, flagged);
      return { session: this.get(known.id), created: false };
    }
    const { spec, snapshot } = this.#resolve(request, flagged);
    const id = name ?? (`s-${randomBytes(6).toString('hex')}` as SessionId);
    const stored: StoredSession = {
      incarnation: newIncarnation(),
      id,
      request: requestDigest(request),
      spec,
      snapshot,
      bytesVersion: BYTES_VERSION,
      owner,
    };
    this.#checkSpecBytes(JSON.stringify(spec));
    const session = this.#make(stored);
    const { sizeBytes } = session.layout;
    checkBatchBytes(sizeBytes, spec.batchSize / spec.worldSize, this.#options.batchBytesLimit, 'session');
    const release = this.#reserve(session);
    try {
      this.store.put(stored);
    } catch (error) {
      release();
      throw error;
    }
    this.#hold(session, release);
    session.warmUp();
    this.#options.onOpened(snapshot);
    const { stepsPerEpoch } = session.plan;
    this.#options.log.info({ session: id, pairs: snapshot.pairs, steps: stepsPerEpoch }, 'session opened');
    return { session, created: true };
  }

  /** Whether a session of this name was opened with the very same request: joining it needs no report. */
  isKnown(request: SpecRequest, name: SessionId): boolean {
    return this.store.get(name)?.request === requestDigest(request);
  }

  /** A session ready for use; one that rested gets its share of the budget back. Throws `SlfError`. */
  get(id: string): Session {
    const live = this.#live.get(id as SessionId);
    if (live) return live;
    const stored = this.#stored(id);
    if (stored.bytesVersion !== BYTES_VERSION)
      throw new SlfError(
        'SLF_BYTES_VERSION',
        `the session was opened under bytes version ${stored.bytesVersion}, this release makes ${BYTES_VERSION}: open a new one, under another name or after a DELETE of this one`,
      );
    const session = this.#make(stored);
    this.#hold(session, this.#reserve(session));
    this.#options.onOpened(stored.snapshot);
    return session;
  }

  /** A session to be looked at: the live one, else one that takes no share of the budget. Throws `SlfError`. */
  look(id: string): { session: Session; state: 'open' | 'idle' } {
    const live = this.#live.get(id as SessionId);
    if (live) return { session: live, state: 'open' };
    return { session: this.#make(this.#stored(id)), state: 'idle' };
  }

  delete(id: string): void {
    const { id: known, snapshot } = this.#stored(id);
    this.#rest(known, 'deleted');
    this.#timings.delete(known);
    this.store.delete(known);
    this.#options.log.info({ session: known, pairs: snapshot.pairs }, 'session deleted');
    this.#options.onLeft();
  }

  /** Gives every warm batch back; sessions stay in the store. */
  close(): void {
    clearInterval(this.#idleCheck);
    for (const id of [...this.#live.keys()]) this.#rest(id, 'suspended');
  }

  #checkSpecBytes(spec: string): void {
    const { specBytesLimit } = this.#options;
    const bytes = Buffer.byteLength(spec);
    if (bytes > specBytesLimit)
      throw new SlfError(
        'SLF_TOO_LARGE',
        `the spec has ${bytes} bytes, the limit is ${specBytesLimit}: name fewer studies, or raise SLICEFEED_SPEC_BYTES`,
      );
  }

  #make(stored: StoredSession): Session {
    const timings = this.#timings.get(stored.id) ?? { waitMs: 0, loadMs: 0, hits: 0, misses: 0 };
    return new Session(stored, this.#context, timings);
  }

  #hold(session: Session, release: () => void): void {
    this.#live.set(session.stored.id, session);
    this.#releases.set(session.stored.id, release);
    this.#timings.set(session.stored.id, session.timings);
  }

  #stored(id: string): StoredSession {
    const stored = this.store.get(id);
    if (!stored)
      throw new SlfError('SLF_SESSION_UNKNOWN', 'open it with POST /v1/sessions or PUT /v1/sessions/{name}');
    return stored;
  }

  /** Throws `SlfError` if a request asks for another session than the known one. */
  #checkSameSpec(known: StoredSession, request: SpecRequest, flagged: Flagged | null): void {
    if (known.request === requestDigest(request)) return;
    const differs = (why: string, field?: string) =>
      new SlfError(
        'SLF_SESSION_DIFFERS',
        `${why}: open yours under another name, or delete this one first`,
        field === undefined ? {} : { field },
      );
    let asked: Resolved;
    try {
      asked = this.#resolve(request, flagged);
    } catch (error) {
      if (!(error instanceof SlfError)) throw error;
      // What the present catalogue can't resolve is not what the session was opened with.
      throw differs(`the request is another, and cannot be opened (${error.detail})`, error.subject.field);
    }
    const fields = differingFields(known.spec, asked.spec);
    if (fields.length > 0) throw differs(`the spec differs in ${fields.join(', ')}`);
  }

  #resolve(request: SpecRequest, flagged: Flagged | null): Resolved {
    // Whether a session comes of it or a refusal.
    this.#options.onLeft();
    return resolveSpec(this.#options.db, request, flagged);
  }

  /** Reserves a session's share of the budget; returns the function that releases it. Throws `SLF_BUDGET`. */
  #reserve(session: Session): () => void {
    const { spool } = this.#options;
    const { reservedBytes, heldBytes } = session;
    const release = spool.reserve(reservedBytes, heldBytes);
    if (!release)
      throw new SlfError(
        'SLF_BUDGET',
        `one batch for each rank of every open session would take ${spool.reservedBytes + reservedBytes} bytes, the budget is ${spool.budgetBytes}: delete a session, make batchSize smaller, or raise SLICEFEED_MEMORY_BUDGET`,
        { retryAfterS: 30 },
      );
    return release;
  }

  #cool(neededBytes: number): void {
    let freed = 0;
    for (const session of [...this.#live.values()].sort((a, b) => a.lastUsedMs - b.lastUsedMs)) {
      if (freed >= neededBytes) return;
      freed += session.cool(neededBytes - freed);
    }
  }

  #restIdle(): void {
    const since = Date.now() - this.#options.idleMs;
    for (const [id, session] of this.#live) {
      if (session.lastUsedMs > since || session.sending > 0) continue;
      this.#rest(id, 'suspended');
      this.#options.log.info({ session: id }, 'session rests');
    }
  }

  #rest(id: SessionId, why: 'deleted' | 'suspended'): void {
    this.#live.get(id)?.end(why);
    this.#live.delete(id);
    this.#releases.get(id)?.();
    this.#releases.delete(id);
  }
}
