import t from 'tap';
import { FileTable } from '../../src/catalog/files.js';
import { openCatalogue } from './catalogue.js';

const contour = (path: string, guard: string, ...points: readonly number[]) => ({
  path,
  guard,
  finding: {
    kind: 'contour',
    contour: { ok: true, points: Float64Array.from(points), problems: [] },
  } as const,
  generations: null,
});

const object = (path: string, threshold: number | null) => ({
  path,
  guard: 'g1',
  finding: {
    kind: 'drawn',
    drawn: {
      type: 'seg',
      sopInstanceUid: '1.9',
      studyUid: '1.2',
      seriesUid: '1.8',
      made: null,
      patient: null,
      series: ['1.3'],
      images: ['1.1'],
      spaces: ['1.4'],
      threshold,
      problems: [],
    },
  } as const,
  generations: null,
});

t.test('what was read of a file comes back, its points to the last bit', async (t) => {
  const files = new FileTable(openCatalogue(t));
  const points = contour('1.txt', 'g1', 0.1, 1 / 3, -7, 1e300, 5, 6);
  files.put([points, object('a.dcm', null)]);
  t.strictSame(files.get('1.txt'), points);
  t.strictSame(files.get('a.dcm'), object('a.dcm', null));
  t.equal(files.get('b.dcm'), null);
  t.match(files.found(), [
    { path: '1.txt', kind: 'contour', study: null },
    { path: 'a.dcm', kind: 'object', study: '1.2', series: ['1.3'] },
  ]);
});

t.test('a file that is read again replaces what was kept of it; one that is gone is forgotten', async (t) => {
  const files = new FileTable(openCatalogue(t));
  files.put([contour('1.txt', 'g1', 1, 2, 3, 4, 5, 6), contour('2.txt', 'g1', 1, 2, 3, 4, 5, 6)]);
  files.put([contour('1.txt', 'g2', 6, 5, 4, 3, 2, 1)]);
  t.strictSame(files.get('1.txt'), contour('1.txt', 'g2', 6, 5, 4, 3, 2, 1));
  files.forgetAllBut(new Set(['1.txt']));
  t.strictSame([...files.guards()], [['1.txt', 'g2']]);
});

t.test('segmentations that were read with another threshold are told', async (t) => {
  const files = new FileTable(openCatalogue(t));
  files.put([object('binary.dcm', null), object('half.dcm', 0.5), object('most.dcm', 0.7)]);
  t.strictSame([...files.readOtherwise(0.5)], ['most.dcm']);
});
