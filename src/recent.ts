import { LRUCache } from 'lru-cache';

/** The values used last, within a bound: a memory of what is costly to make and never changes under its key. */
export class Recent<Key extends string, Value extends object | null> {
  #values: LRUCache<Key, NonNullable<Value>>;

  /** `most` values, or as many as together weigh so much: `weigh` answers whole numbers above 0. */
  constructor(most: number, weigh?: (value: NonNullable<Value>) => number) {
    this.#values = new LRUCache<Key, NonNullable<Value>>(
      weigh ? { maxSize: most, sizeCalculation: weigh } : { max: most },
    );
  }

  /** The value of a key, made now where it is not remembered; null is made again each time. */
  get(key: Key, make: () => Value): Value {
    const known = this.find(key);
    if (known !== undefined) return known;
    const value = make();
    return value === null ? value : this.keep(key, value);
  }

  /** The value of a key where it is remembered. */
  find(key: Key): NonNullable<Value> | undefined {
    return this.#values.get(key);
  }

  /** Remembers a value, instead of one of the same key, and answers it. */
  keep(key: Key, value: NonNullable<Value>): Value {
    this.#values.set(key, value);
    return value;
  }

  /** Puts another value in the place of one that is remembered. */
  replace(key: Key, change: (value: NonNullable<Value>) => NonNullable<Value>): void {
    const known = this.#values.peek(key);
    if (known !== undefined) this.#values.set(key, change(known));
  }

  forget(key: Key): void {
    this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }
}
