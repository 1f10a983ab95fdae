import fc from 'fast-check';
import t from 'tap';
import { PassingMap } from '../src/passing-map.js';

t.test('it is a map', async (t) => {
  const steps = fc.array(fc.record({ key: fc.nat(5), value: fc.option(fc.nat(100), { nil: null }) }));
  const property = fc.property(steps, (made) => {
    const model = new Map<number, number>();
    const map = new PassingMap<number, number>();
    for (const { key, value } of made) {
      if (value === null) {
        if (map.delete(key) !== model.delete(key)) return false;
      } else {
        map.set(key, value);
        model.set(key, value);
      }
      if (map.get(key) !== model.get(key) || map.has(key) !== model.has(key)) return false;
    }
    const same = JSON.stringify([...map.entries()]) === JSON.stringify([...model.entries()]);
    const keys = [...map.keys()].join() === [...model.keys()].join();
    return same && keys && [...map.values()].join() === [...model.values()].join() && map.size === model.size;
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test('entries may be deleted while one looks at them', async (t) => {
  const map = new PassingMap<string, number>();
  for (const [at, key] of ['a', 'b', 'c'].entries()) map.set(key, at);
  const seen: string[] = [];
  for (const [key] of map.entries()) {
    seen.push(key);
    map.delete(key);
    map.delete('b');
  }
  t.strictSame(seen, ['a', 'c']);
  t.equal(map.size, 0);
});
