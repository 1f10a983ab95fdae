import t from 'tap';
import { describeStudy } from '../../src/catalog/describe.js';
import type { FoundFiles } from '../../src/catalog/files.js';
import { writeProblems } from '../../src/catalog/problems.js';
import type { PlaceFile } from '../../src/catalog/scan-loaders.js';
import { listProblems } from '../../src/catalog/studies.js';
import type { ImageHeader } from '../../src/core/dicom.js';
import type { StudyId } from '../../src/core/ids.js';
import { pairFiles } from '../../src/core/pairing.js';
import type { Problem } from '../../src/core/problem.js';
import type { StudyFiles } from '../../src/core/study-files.js';
import { sha256 } from '../../src/sha256.js';
import { temporaryFolder } from '../helper.js';
import { writeImage } from '../loader/sources.js';
import { openCatalogue } from './catalogue.js';

/** More than a function takes as its arguments. */
const MANY = 200_000;

const { header, headerDigest, guard } = writeImage(temporaryFolder(t), 'a.dcm', {
  rows: 2,
  columns: 3,
  pixels: new Uint16Array(6),
});
const TIMING = { triggerMs: null, acquired: null, content: null, temporalPosition: null };

/** A study of as many images, each with the header that it is given. */
function study(headerOf: (at: number) => Partial<ImageHeader>, problems: readonly Problem[] = []) {
  const images = Array.from({ length: MANY }, (_, at) => ({ path: `${at}.dcm`, number: null }));
  const files: StudyFiles = {
    id: 'A' as StudyId,
    rule: 'geometry',
    images,
    contours: [],
    objects: [],
    problems,
  };
  const found: FoundFiles = {
    get(path) {
      const own = { ...header, ...headerOf(Number.parseInt(path, 10)) };
      return {
        path,
        guard,
        generations: null,
        finding: {
          kind: 'image',
          header: own,
          timing: TIMING,
          frames: null,
          headerDigest,
          patient: null,
          checksums: null,
          guard,
        },
      };
    },
  };
  const place: PlaceFile = () => Promise.reject(new Error('there are no objects'));
  return describeStudy(files, found, place);
}

t.test('a study of 200,000 slices without a place, each with a problem of its own', async (t) => {
  const told: Problem[] = Array.from({ length: MANY }, (_, at) => ({
    code: 'IMAGE_NAME',
    file: `${at}.txt`,
    detail: 'as pairing has it',
  }));
  const { slices, problems } = await study(
    (at) => ({
      sopInstanceUid: `1.2.${at}`,
      instanceNumber: at,
      notes: [{ code: 'HEADER_REPAIRED', detail: `of image ${at}` }],
    }),
    told,
  );
  t.equal(slices.length, MANY);
  t.equal(slices[MANY - 1]?.slice, `1.2.${MANY - 1}`);
  const counts = new Map<string, number>();
  for (const { code } of problems) counts.set(code, (counts.get(code) ?? 0) + 1);
  t.equal(counts.get('HEADER_REPAIRED'), MANY);
  t.equal(counts.get('IMAGE_NAME'), MANY);
});

t.test('200,000 copies of one image', async (t) => {
  const { slices, problems } = await study(() => ({ sopInstanceUid: '1.2.3' }));
  t.equal(slices.length, 1);
  t.equal(problems.filter(({ code }) => code === 'SLICE_TWICE').length, MANY - 1);
});

t.test('200,000 problems are kept and listed', async (t) => {
  const db = openCatalogue(t);
  const problems: Problem[] = Array.from({ length: MANY }, (_, at) => ({
    code: 'NOT_DICOM',
    file: `${at}`,
    detail: 'none',
  }));
  db.exec('BEGIN');
  writeProblems(db, '', problems);
  db.exec('COMMIT');
  t.equal(listProblems(db, '').length, MANY);
});

t.test('200,000 objects that belong to no image', async (t) => {
  const files = Array.from({ length: MANY }, (_, at) => ({
    path: `${at}.dcm`,
    kind: 'object' as const,
    study: '1.2',
    series: [],
    patient: null,
  }));
  t.equal(pairFiles(files, new Map(), sha256).left.length, MANY);
});
