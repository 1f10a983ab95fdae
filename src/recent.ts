/** The values used last, so many of them at the most: a bounded memory of what is costly to make and never changes under its key. */
export class Recent<Key, Value> {
  #most: number;
  #values = new Map<Key, Value>();

  constructor(most: number) {
    this.#most = most;
  }

  /** The value of a key, made now where it is not remembered; null is made again each time. */
  get(key: Key, make: () => Value): Value {
    const value = this.#values.get(key) ?? make();
    this.#values.delete(key);
    if (value === null) return value;
    this.#values.set(key, value);
    if (this.#values.size > this.#most) {
      const [oldest] = this.#values.keys();
      this.#values.delete(oldest as Key);
    }
    return value;
  }

  clear(): void {
    this.#values.clear();
  }
}
