/**
 * A map whose entries come and go all the time. A table that V8's own map has outgrown refers to the one that came after it, with all
 * that was in it at the time, and once it is in the old generation it keeps them all alive until the next full collection: here that is
 * a box, emptied when its entry is deleted.
 */
export class PassingMap<Key, Value> {
  #boxes = new Map<Key, { value: Value | null }>();

  get size(): number {
    return this.#boxes.size;
  }

  has(key: Key): boolean {
    return this.#boxes.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#boxes.get(key)?.value ?? undefined;
  }

  set(key: Key, value: Value): void {
    const box = this.#boxes.get(key);
    if (box) box.value = value;
    else this.#boxes.set(key, { value });
  }

  /** False where there is no such key. */
  delete(key: Key): boolean {
    const box = this.#boxes.get(key);
    if (box) box.value = null;
    return this.#boxes.delete(key);
  }

  keys(): IterableIterator<Key> {
    return this.#boxes.keys();
  }

  /** In the order in which the keys came; what is deleted meanwhile is left out. */
  *entries(): Generator<[Key, Value]> {
    for (const [key, { value }] of this.#boxes) yield [key, value as Value];
  }

  *values(): Generator<Value> {
    for (const { value } of this.#boxes.values()) yield value as Value;
  }
}
