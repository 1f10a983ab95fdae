import { createHmac } from 'node:crypto';
import { stateKey } from '../state-key.js';
import type { Bearer } from '../tokens.js';

/**
 * Returns a function that names the token of a session's owner: a hash that is keyed with the state folder,
 * or null if the service asks for no token.
 */
export function ownersOf(state: string): (bearer: Bearer | null) => string | null {
  let key: string | null = null;
  return (bearer) => {
    if (!bearer) return null;
    key ??= stateKey(state);
    return createHmac('sha256', key).update(`owner of sessions\n${bearer.key}`).digest('hex').slice(0, 32);
  };
}
