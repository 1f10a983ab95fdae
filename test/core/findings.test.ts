import t from 'tap';
import { mirroredDetail, offEdgeDetail, shown } from '../../src/core/findings.js';

t.test('numbers of findings are short, and have no exponent', (t) => {
  for (const [value, text] of [
    [0, '0'],
    [0.1 + 0.2, '0.3'],
    [2 / 3, '0.667'],
    [1e-9, 'under 0.001'],
    [12.345, '12.3'],
    [999.4, '999'],
    [0.89151, '0.891'],
    [0.8915, '0.891'],
    [1234.5, '1,235'],
    [1e21, 'over 1,000,000'],
    [Number.POSITIVE_INFINITY, 'over 1,000,000'],
  ] as const)
    t.equal(shown(value), text);
  t.end();
});

t.test('an edge is told of by what it lacks, or that its contrast is the other way round', (t) => {
  t.equal(offEdgeDetail(0.7), 'its edge lacks 70 % of the contrast of an edge nearby');
  t.equal(offEdgeDetail(1.2), 'the contrast of its edge is the other way round than that of an edge nearby');
  const turns = [
    ['by half a turn', 'turned by half a turn'],
    ['left to right', 'mirrored left to right'],
    ['about the other diagonal', 'mirrored about the other diagonal'],
    ['with rows and columns exchanged', 'with rows and columns exchanged'],
  ] as const;
  for (const [turn, way] of turns) {
    t.equal(
      mirroredDetail({ turn, lack: 0.3 }),
      `the mask fits the image better ${way}: as it is drawn, its edge lacks 30 % of the contrast that it has then`,
    );
    t.equal(
      mirroredDetail({ turn, lack: 6.06 }),
      `the mask fits the image better ${way}: as it is drawn, the contrast of its edge is the other way round`,
    );
  }
  t.end();
});
