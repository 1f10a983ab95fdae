import type { PairId } from '../core/ids.js';
import type { ProblemCode } from '../core/problem.js';
import type { SlotOutcome } from '../engine/engine.js';
import { SlfError } from '../errors.js';
import { LoaderDeath, NoRoom } from '../loader/child.js';
import { Cancelled } from '../loader/pool.js';
import { BudgetExceeded } from '../loader/spool.js';
import { NoSegment } from '../loader/spool-folder.js';
import { refuseRoom } from '../room.js';

const LETHAL = {
  crash: 'it twice ended its loader, alone',
  deadline: 'loading it twice took longer than SLICEFEED_PAIR_SECONDS, alone',
  memory: 'loading it twice took more than SLICEFEED_LOADER_MEMORY, alone',
} as const;

/** What is said of a pair that was not loaded. */
export interface Finding {
  readonly code: ProblemCode;
  readonly detail: string;
}

export type NotLoaded = Exclude<SlotOutcome, { kind: 'loaded' }>;

/** Why a pair was not loaded. */
export function findingOf(outcome: NotLoaded): Finding {
  switch (outcome.kind) {
    case 'changed':
      return { code: 'FILE_UNREADABLE', detail: 'the file is not the one that the snapshot saw' };
    case 'unreadable':
      return {
        code: 'FILE_UNREADABLE',
        detail: `the file cannot be read (${outcome.errno}): look at its permissions and its storage`,
      };
    case 'range':
      return { code: 'VALUE_RANGE', detail: outcome.detail };
    case 'broken':
      return outcome;
    case 'lethal':
      return { code: 'LOADER_ENDED', detail: LETHAL[outcome.cause] };
    case 'empty':
      throw new Error('a slot with a pair came back empty');
    default:
      throw new Error(`unknown outcome ${JSON.stringify(outcome satisfies never)}`);
  }
}

/** The answer to a pair that was not loaded. */
export function refuseFinding(
  outcome: NotLoaded,
  { code, detail }: Finding,
  pair: PairId,
  file: string,
): SlfError {
  if (outcome.kind === 'changed')
    return new SlfError('SLF_SOURCE_CHANGED', `${detail}: POST /v1/scan and open a new session`, {
      pair,
      file,
    });
  if (outcome.kind === 'range') return new SlfError('SLF_VALUE_RANGE', detail, { pair, file });
  return new SlfError('SLF_PAIR_FAILED', `${code}: ${detail}`, { pair, file });
}

/** The answer to a load that failed for a reason that lies in no file: 503, try again. */
export function refuseLoad(error: unknown): unknown {
  if (error instanceof BudgetExceeded)
    return new SlfError('SLF_BUDGET', 'no room for this batch now: too many others are being sent', {
      retryAfterS: 1,
    });
  if (error instanceof NoRoom)
    return new SlfError('SLF_ROOM', 'the machine has no room for this batch: see the log', {
      retryAfterS: 5,
    });
  if (error instanceof NoSegment) return new SlfError('SLF_ROOM', error.message, { retryAfterS: 5 });
  if (error instanceof LoaderDeath && error.death === 'closing')
    return new SlfError('SLF_CLOSING', 'ask again when the service is back', { retryAfterS: 5 });
  if (error instanceof LoaderDeath || error instanceof Cancelled)
    return new SlfError('SLF_LOADER', 'the loaders ended before they were done: ask again', {
      retryAfterS: 1,
    });
  return refuseRoom(error) ?? error;
}
