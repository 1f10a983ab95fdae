/**
 * The form of a size, as a regular expression. Letters mean powers of 1024, like those of docker and the JVM.
 */
export const SIZE_PATTERN = '[0-9]+ ?([bB]|[kKmMgG]([iI][bB]?)?)?';

const WRITTEN = new RegExp(`^${SIZE_PATTERN}$`);
const FACTORS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Tells a person what is wrong with a text that is no size. */
export const NO_SIZE =
  'is no size: write 512MiB, 512m or 2g (k, m and g are powers of 1024; KB, MB and GB mean either, so they are not taken)';

/** Returns `512MiB` or `512m` as bytes; null if it is no size. */
export function sizeBytes(text: string): number | null {
  if (!WRITTEN.test(text)) return null;
  const unit = text.replace(/^[0-9]+ ?/, '')[0]?.toLowerCase() ?? '';
  return Number.parseInt(text, 10) * (FACTORS[unit] ?? 1);
}
