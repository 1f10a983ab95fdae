import t from 'tap';
import { Recent } from '../src/recent.js';

/** Asks for keys in turn; answers those that had to be made. */
function made<Value extends object | null>(
  recent: Recent<string, Value>,
  keys: string,
  make: (key: string) => Value,
): string {
  let fresh = '';
  for (const key of keys)
    recent.get(key, () => {
      fresh += key;
      return make(key);
    });
  return fresh;
}

/** What holds as many as weigh 10 together. */
function weighed(): Recent<string, { readonly weight: number }> {
  return new Recent<string, { readonly weight: number }>(10, ({ weight }) => weight);
}

t.test('the value asked for longest ago goes first', async (t) => {
  const recent = new Recent<string, { readonly key: string }>(2);
  const make = (key: string) => ({ key });
  t.equal(made(recent, 'abab', make), 'ab');
  t.equal(made(recent, 'acabc', make), 'cbc', 'a was used after b, and after c');
});

t.test('with weights as many stay as weigh so much together', async (t) => {
  const recent = weighed();
  const weights: Record<string, number> = { a: 4, b: 4, c: 2, d: 9 };
  const weigh = (key: string) => ({ weight: weights[key]! });
  t.equal(made(recent, 'abcabc', weigh), 'abc');
  t.equal(made(recent, 'dcba', weigh), 'dcba', 'd leaves no room for the others');
  t.equal(made(recent, 'abc', weigh), '');
});

t.test('what is heavier than all the room is made and not kept', async (t) => {
  const recent = weighed();
  t.equal(
    made(recent, 'aa', () => ({ weight: 11 })),
    'aa',
  );
  t.equal(
    made(recent, 'bb', () => ({ weight: 10 })),
    'b',
  );
});

t.test('what is forgotten is made again and weighs nothing', async (t) => {
  const recent = weighed();
  const half = () => ({ weight: 5 });
  made(recent, 'ab', half);
  recent.forget('a');
  recent.forget('x');
  t.equal(made(recent, 'cb', half), 'c');
  recent.clear();
  t.equal(made(recent, 'bc', half), 'bc');
});

t.test('another value in the place of one has its own weight', async (t) => {
  const recent = weighed();
  made(recent, 'ab', () => ({ weight: 3 }));
  recent.replace('a', ({ weight }) => ({ weight: weight + 4 }));
  recent.replace('x', () => ({ weight: 1 }));
  t.strictSame(
    recent.get('a', () => ({ weight: 0 })),
    { weight: 7 },
  );
  t.equal(
    made(recent, 'cab', () => ({ weight: 2 })),
    'cb',
    'c took the room of b',
  );
});

t.test('null is made again each time', async (t) => {
  const recent = new Recent<string, object | null>(2);
  t.equal(
    made(recent, 'aa', () => null),
    'aa',
  );
});
