import t from 'tap';
import { shown } from '../../src/core/findings.js';

t.test('numbers of findings are short, and have no exponent', (t) => {
  for (const [value, text] of [
    [0, '0'],
    [0.1 + 0.2, '0.3'],
    [2 / 3, '0.667'],
    [1e-9, 'under 0.001'],
    [12.345, '12.3'],
    [999.4, '999'],
    [1234.5, '1,235'],
    [1e21, 'over 1,000,000'],
    [Number.POSITIVE_INFINITY, 'over 1,000,000'],
  ] as const)
    t.equal(shown(value), text);
  t.end();
});
