import t from 'tap';
import { Recent } from '../src/recent.js';

/** Asks for keys in turn; answers those that had to be made. */
function made<Value>(recent: Recent<string, Value>, keys: string, make: (key: string) => Value): string {
  let fresh = '';
  for (const key of keys)
    recent.get(key, () => {
      fresh += key;
      return make(key);
    });
  return fresh;
}

t.test('the value asked for longest ago goes first', async (t) => {
  const recent = new Recent<string, string>(2);
  t.equal(made(recent, 'abab', String), 'ab');
  t.equal(made(recent, 'acabc', String), 'cbc', 'a was used after b, and after c');
});

t.test('with weights as many stay as weigh so much together', async (t) => {
  const recent = new Recent<string, number>(10, (value) => value);
  const weights: Record<string, number> = { a: 4, b: 4, c: 2, d: 9 };
  const weigh = (key: string) => weights[key]!;
  t.equal(made(recent, 'abcabc', weigh), 'abc');
  t.equal(made(recent, 'dcba', weigh), 'dcba', 'd leaves no room for the others');
  t.equal(made(recent, 'abc', weigh), '');
});

t.test('what is heavier than all the room is made and not kept', async (t) => {
  const recent = new Recent<string, number>(10, (value) => value);
  t.equal(
    made(recent, 'aa', () => 11),
    'aa',
  );
  t.equal(
    made(recent, 'bb', () => 10),
    'b',
  );
});

t.test('what is forgotten is made again and weighs nothing', async (t) => {
  const recent = new Recent<string, number>(10, (value) => value);
  made(recent, 'ab', () => 5);
  recent.forget('a');
  recent.forget('x');
  t.equal(
    made(recent, 'cb', () => 5),
    'c',
  );
  recent.clear();
  t.equal(
    made(recent, 'bc', () => 5),
    'bc',
  );
});

t.test('null is made again each time', async (t) => {
  const recent = new Recent<string, string | null>(2);
  t.equal(
    made(recent, 'aa', () => null),
    'aa',
  );
});
