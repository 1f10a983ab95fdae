import { readFileSync, statSync } from 'node:fs';
import type { BaseLogger } from 'pino';
import { parseTokenLines, TokenError, type Tokens } from './tokens.js';
import { watchFiles } from './watched-files.js';

const LARGEST_BYTES = 1024 * 1024;

/** The tokens of a file. Throws `TokenError` where it holds none, one that can't be sent, or can't be read. */
export function readTokenFile(path: string): string[] {
  const text = (() => {
    try {
      const found = statSync(path);
      if (!found.isFile()) throw new TokenError('it is no file');
      if (found.size > LARGEST_BYTES) throw new TokenError('it has over 1 MiB');
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (error instanceof TokenError) throw error;
      throw new TokenError(`it can't be read (${(error as NodeJS.ErrnoException).code})`);
    }
  })();
  const tokens = parseTokenLines(text);
  if (tokens.length === 0) throw new TokenError('it holds no token');
  return tokens;
}

/** Reads a file of tokens again whenever it changes; while it can't be used, the last good ones stay. Answers what ends it. */
export async function followTokenFile(
  path: string,
  given: readonly string[],
  tokens: Tokens,
  log: Pick<BaseLogger, 'info' | 'error'>,
): Promise<() => void> {
  const read = () => {
    const own = readTokenFile(path);
    tokens.replace([...given, ...own]);
    return given.length + own.length;
  };
  const unwatch = await watchFiles([path], () => {
    try {
      log.info({ tokens: read() }, 'tokens read again');
    } catch (error) {
      log.error(
        { reason: (error as Error).message },
        'the token file is unusable: the last good tokens stay',
      );
    }
  });
  // It may have changed between the start's reading and the first look.
  read();
  return unwatch;
}
