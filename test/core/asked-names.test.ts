import t from 'tap';
import { askedNames } from '../../src/core/asked-names.js';

t.test('names with and without commas', async (t) => {
  const known = ['i', 'o', 'Neoplasm, Primary', 'Neoplasm'];
  t.strictSame(askedNames('i,o', known), ['i', 'o']);
  t.strictSame(askedNames('o,Neoplasm, Primary,i', known), ['o', 'Neoplasm, Primary', 'i']);
  t.strictSame(askedNames('Neoplasm,i', known), ['Neoplasm', 'i']);
  t.strictSame(askedNames('x,,y', known), ['x', 'y']);
  t.strictSame(askedNames('', known), []);
});
