import { canonicalJson, type Spec } from './spec.js';

/** Fields whose own fields are named one by one. */
const NESTED: ReadonlySet<string> = new Set(['image', 'mask', 'shape']);

/** Returns the names of the fields in which two specs differ, nested ones as `image.dtype`. */
export function differingFields(a: Spec, b: Spec): string[] {
  return differing(Object.entries(a), Object.entries(b)).flatMap((name) => {
    if (!NESTED.has(name)) return [name];
    const key = name as 'image' | 'mask' | 'shape';
    return differing(Object.entries(a[key]), Object.entries(b[key])).map((inner) => `${name}.${inner}`);
  });
}

function differing(a: readonly [string, unknown][], b: readonly [string, unknown][]): string[] {
  const [before, after] = [new Map(a), new Map(b)];
  const text = (value: unknown) => canonicalJson(value ?? null);
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => text(before.get(name)) !== text(after.get(name)),
  );
}
