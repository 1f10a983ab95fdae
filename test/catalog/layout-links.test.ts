import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findStudy, listProblems, presentStudies } from '../../src/catalog/studies.js';
import { contourPath, imageFile, linkTable, squareContour } from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';
import { openCatalogue, scanInto, write } from './catalogue.js';

t.test('a layout of links to raw folders has its studies and contours, each image once', async (t) => {
  const root = temporaryFolder(t);
  write(root, 'a/P/1.dcm', imageFile(1));
  write(root, 'a/P/2.dcm', imageFile(2));
  write(root, 'ch/link.csv', linkTable(['P', 'o']));
  write(root, `ch/${contourPath('o', 2)}`, squareContour(2, 9));
  mkdirSync(join(root, 'ch/dicoms'));
  symlinkSync('../../a/P', join(root, 'ch/dicoms/P'));
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.strictSame(
    presentStudies(db).map(({ study }) => study),
    ['P'],
  );
  const { slices, structures } = findStudy(db, 'P')!;
  t.equal(slices, 2);
  t.strictSame(structures, { i: 1 });
  t.strictSame(
    listProblems(db, '').map(({ code, file }) => [code, file]),
    [['FOLDER_TWICE', 'a/P']],
  );
});
