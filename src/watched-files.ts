import { stat } from 'node:fs/promises';

const LOOK_EVERY_MS = 1_000;

/** A file's identity and times, through links; of a file that is away, that it is. */
async function versionOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

/**
 * Looks at files every second and calls `onChange` when one of them is another than the second before. It looks, because
 * notices of the kernel miss what secrets in containers do: a link that leads elsewhere. Answers what ends it.
 */
export async function watchFiles(paths: readonly string[], onChange: () => void): Promise<() => void> {
  const look = () => Promise.all(paths.map(versionOf)).then((versions) => versions.join(' '));
  let seen = await look();
  let looking = false;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    const found = await look();
    looking = false;
    if (found === seen) return;
    seen = found;
    onChange();
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
