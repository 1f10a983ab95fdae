/**
 * The names in a comma-separated list, of which some may hold commas themselves (`Neoplasm, Primary`): from the left, the longest
 * stretch of the list that is a known name, else what stands up to the next comma.
 */
export function askedNames(list: string, known: readonly string[]): string[] {
  const parts = list.split(',');
  const names: string[] = [];
  for (let at = 0; at < parts.length; ) {
    let end = parts.length;
    while (end > at + 1 && !known.includes(parts.slice(at, end).join(','))) end--;
    const name = parts.slice(at, end).join(',');
    if (name !== '') names.push(name);
    at = end;
  }
  return names;
}
