import { createHash, timingSafeEqual } from 'node:crypto';

/** What a token opens: everything, or opening sessions and reading. */
type May = 'full' | 'read';

/** Who asks: `key` tells tokens apart and gives none of them away. */
export interface Bearer {
  readonly may: May;
  readonly key: string;
}

/** A list of tokens that can't be used; the message is meant for people and quotes none. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

const READ_ONLY = 'ro:';
/** What every client can send in a header and no comma parts. */
const SENDABLE = /^[\x21-\x7e]+$/;

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Reads the tokens of a file like `parseTokens`, without lines that begin with `#`. Throws `TokenError`. */
export function parseTokenLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  return parseTokens(lines.filter((line) => !line.trimStart().startsWith('#')).join('\n'));
}

/** Reads tokens that are separated by commas or line ends. Throws `TokenError`. */
export function parseTokens(text: string): string[] {
  const tokens = text
    .split(/[,\r\n]/)
    .map((token) => token.trim())
    .filter((token) => token !== '');
  tokens.forEach((token, at) => {
    if (!SENDABLE.test(token) || token === READ_ONLY)
      throw new TokenError(
        `token ${at + 1} of ${tokens.length} can't be sent: use letters, digits and signs of ASCII, no space`,
      );
  });
  return tokens;
}

interface Known extends Bearer {
  readonly digest: Buffer;
}

function knownOf(tokens: readonly string[]): readonly Known[] {
  return tokens.flatMap((token) => {
    const isReadOnly = token.startsWith(READ_ONLY);
    const key = digest(token).toString('hex').slice(0, 16);
    const known: Known = { digest: digest(token), may: isReadOnly ? 'read' : 'full', key };
    // A bearer may come with the prefix or without it.
    return isReadOnly ? [known, { ...known, digest: digest(token.slice(READ_ONLY.length)) }] : [known];
  });
}

/** The tokens that open the service. They can be replaced while it runs, and never by none. */
export class Tokens {
  /** Whether a token is needed at all. */
  readonly needed: boolean;
  #known: readonly Known[];

  constructor(tokens: readonly string[]) {
    this.#known = knownOf(tokens);
    this.needed = tokens.length > 0;
  }

  /** Throws `TokenError` where there are none: what was closed is not opened by an empty list. */
  replace(tokens: readonly string[]): void {
    if (this.needed && tokens.length === 0) throw new TokenError('there is no token');
    this.#known = knownOf(tokens);
  }

  /** Who a bearer is: every token is compared, by its hash and in constant time, whichever matches. */
  find(bearer: string): Bearer | null {
    const asked = digest(bearer);
    let found: Known | null = null;
    for (const known of this.#known)
      if (timingSafeEqual(known.digest, asked) && found?.may !== 'full') found = known;
    return found && { may: found.may, key: found.key };
  }
}
