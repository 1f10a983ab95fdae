import { createHmac } from 'node:crypto';
import { stateKey } from '../state-key.js';
import type { Bearer } from '../tokens.js';

/** Answers how sessions name the token that opened them: by a hash that is keyed with the state folder; null where no token is asked for. */
export function ownersOf(state: string): (bearer: Bearer | null) => string | null {
  let key: string | null = null;
  return (bearer) => {
    if (!bearer) return null;
    key ??= stateKey(state);
    return createHmac('sha256', key).update(`owner of sessions\n${bearer.key}`).digest('hex').slice(0, 32);
  };
}
