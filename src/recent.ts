/** The values used last, within a bound: a memory of what is costly to make and never changes under its key. */
export class Recent<Key, Value> {
  #most: number;
  #weigh: (value: Value) => number;
  #weight = 0;
  #values = new Map<Key, Value>();

  /** `most` values, or as many as together weigh so much. */
  constructor(most: number, weigh: (value: Value) => number = () => 1) {
    this.#most = most;
    this.#weigh = weigh;
  }

  /** The value of a key, made now where it is not remembered; null is made again each time. */
  get(key: Key, make: () => Value): Value {
    const known = this.find(key);
    if (known !== undefined) return known;
    const value = make();
    return value === null ? value : this.keep(key, value);
  }

  /** The value of a key where it is remembered. */
  find(key: Key): Value | undefined {
    const known = this.#values.get(key);
    if (known === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, known);
    return known;
  }

  /** Remembers a value, instead of one of the same key, and answers it. */
  keep(key: Key, value: Value): Value {
    this.forget(key);
    this.#values.set(key, value);
    this.#weight += this.#weigh(value);
    for (const [oldest, light] of this.#values) {
      if (this.#weight <= this.#most) break;
      this.#values.delete(oldest);
      this.#weight -= this.#weigh(light);
    }
    return value;
  }

  /** Puts another value in the place of one that is remembered. */
  replace(key: Key, change: (value: Value) => Value): void {
    const known = this.#values.get(key);
    if (known === undefined) return;
    const value = change(known);
    this.#values.set(key, value);
    this.#weight += this.#weigh(value) - this.#weigh(known);
  }

  forget(key: Key): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#weight -= this.#weigh(value);
  }

  clear(): void {
    this.#values.clear();
    this.#weight = 0;
  }
}
