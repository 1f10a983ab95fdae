import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readConfig } from '../src/config.js';
import { type Parcels, parcelsOf } from '../src/push/parcels.js';
import { withFoundStudies } from '../src/push/read-folder.js';
import { getJson } from './fixtures/client.js';
import { runCommand } from './fixtures/command.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from './fixtures/study-folder.js';
import { zipFile } from './fixtures/zip-file.js';
import { startTestServer, temporaryFolder } from './helper.js';

/** Two patients, the second with a name that needs quotes in a table, and contours that nobody's are. */
function folder(): string {
  const root = temporaryFolder(t);
  const files: Record<string, string | Uint8Array> = {
    'link.csv': `${linkTable(['A', 'oa'])}\n"B, c",ob\n`,
    [contourPath('ob', 1)]: squareContour(2, 9),
    [contourPath('oc', 1)]: squareContour(2, 9),
    'notes.txt': 'not sent',
  };
  for (const number of [1, 2]) {
    files[imagePath('A', number)] = imageFile(number, { patientId: 'A' });
    files[contourPath('oa', number)] = squareContour(2, 9);
  }
  files[imagePath('B, c', 1)] = imageFile(7, { patientId: 'B' });
  writeFiles(root, files);
  return root;
}

function divide(root: string): Promise<Parcels> {
  const config = readConfig({}, { LOADERS: '1' });
  return withFoundStudies(root, config, (studies) => parcelsOf(root, studies));
}

const named = ({ parcels }: Parcels) => parcels.map(({ id, files }) => [id, files.map(({ name }) => name)]);

t.test(
  'a data folder is a parcel for each patient, with the contours that the table joins to it',
  async (t) => {
    const divided = await divide(folder());
    const { parcels, missed, left, notes } = divided;
    const [, [id] = []] = named(divided);
    t.match(id, /^study-[0-9a-f]{16}$/);
    t.same(named(divided), [
      ['A', ['link.csv', contourPath('oa', 1), contourPath('oa', 2), imagePath('A', 1), imagePath('A', 2)]],
      [id, ['link.csv', contourPath('ob', 1), imagePath('B, c', 1)]],
    ]);
    t.same(parcels[1]!.files[0]!.content.toString(), 'patient_id,original_id\n"B, c","ob"\n');
    t.same(
      left.map(({ file }) => file),
      ['contourfiles/oc', 'notes.txt'],
    );
    t.same([missed, notes], [[], []]);
  },
);

t.test('a folder of one study is one parcel under its own name, without foreign files', async (t) => {
  const root = join(temporaryFolder(t), 'one');
  writeFiles(root, {
    '1.dcm': imageFile(),
    'IM-0001-0001-icontour-manual.txt': squareContour(1, 2),
    'half.dcm': imageFile().subarray(0, 300),
    '.hidden': 'x',
    README: 'text',
    'a/1.txt': squareContour(1, 2),
    'b/words.dcm': 'words',
    'first.npz': zipFile([{ name: 'a.npy', content: 'x' }]),
    'second.npz': zipFile([{ name: 'a.npy', content: 'x' }]),
  });
  const divided = await divide(root);
  t.same(named(divided), [['one', ['1.dcm', 'IM-0001-0001-icontour-manual.txt', 'half.dcm']]]);
  const foreign = 'it is no DICOM, and its name is not that of a contour (IM-0001-0048-icontour-manual.txt)';
  t.same(
    divided.left.map(({ file, detail }) => [file, detail]),
    [
      ['README', foreign],
      ['a/1.txt', foreign],
      ['b/words.dcm', 'neither a preamble nor a first element of group 0002 or 0008'],
      ['first.npz', foreign],
      ['second.npz', foreign],
    ],
  );
  t.same([divided.missed, divided.notes], [[], []]);
});

t.test('what cannot be read is told apart from what no study is made of', async (t) => {
  const root = temporaryFolder(t);
  writeFiles(root, { '1.dcm': imageFile(), 'notes.txt': 'text' });
  symlinkSync('nowhere', join(root, '2.dcm'));
  const { missed, left } = await divide(root);
  t.same(
    missed.map(({ file, detail }) => [file, detail]),
    [['2.dcm', 'it cannot be read (ENOENT)']],
  );
  t.same(
    left.map(({ file }) => file),
    ['notes.txt'],
  );
  const server = await startTestServer(t, temporaryFolder(t));
  await server.ready();
  const pushed = await runCommand(t, ['push', root, '--to', server.url]);
  t.equal(pushed.code, 1);
  t.match(pushed.stdout, /\tuploaded\t1 slices/);
  t.match(
    pushed.stderr,
    /\nfailed: 1 of 1 studies are there; not sent, and a study may lack them: 1 file\(s\) or folder\(s\)\n$/,
  );
});

t.test('cases of an expert take the rows of the table that are about them', async (t) => {
  const root = temporaryFolder(t);
  const contour = (name: string) =>
    `contours/${name}/contours-manual/IRCCI-expert/IM-0001-0001-icontour-manual.txt`;
  const files: Record<string, string | Uint8Array> = {
    'scd_patientdata.csv': 'PatientID,OriginalID\nSCD0000101,SC-HF-I-1\nSCD0000201,SC-HF-I-2\n',
  };
  for (const [at, patient] of ['SCD0000101', 'SCD0000201'].entries()) {
    const uid = `1.2.${at}`;
    files[`DICOM/${patient}/IM-0001-0001.dcm`] = imageFile(at, {
      studyUid: uid,
      seriesUid: uid,
      patientId: patient,
    });
    files[contour(`SC-HF-I-0${at + 1}`)] = squareContour(2, 9);
  }
  writeFiles(root, files);
  const divided = await divide(root);
  t.same(named(divided), [
    ['SCD0000101', ['link.csv', 'DICOM/SCD0000101/IM-0001-0001.dcm', contour('SC-HF-I-01')]],
    ['SCD0000201', ['link.csv', 'DICOM/SCD0000201/IM-0001-0001.dcm', contour('SC-HF-I-02')]],
  ]);
  t.same(
    divided.parcels[1]!.files[0]!.content.toString(),
    'patient_id,original_id\n"SCD0000201","SC-HF-I-2"\n',
  );
  t.same(divided.left, []);
});

t.test('images of several studies and patients are divided as a service divides them', async (t) => {
  const root = temporaryFolder(t);
  const image = (first: number, studyUid: string, patientId: string | undefined) =>
    imageFile(first, {
      studyUid,
      seriesUid: `${studyUid}.1`,
      ...(patientId === undefined ? {} : { patientId }),
    });
  writeFiles(root, {
    'a.dcm': image(1, '1.2.1', 'A'),
    'b.dcm': image(2, '1.2.2', 'A'),
    // Two patients under one StudyInstanceUID, and images that name none.
    'c.dcm': image(3, '1.2.3', 'C'),
    'd.dcm': image(4, '1.2.3', 'D'),
    'e.dcm': image(5, '1.2.3', ''),
    // Without a patient beside those of one alone.
    'f/1.dcm': image(6, '1.2.4', 'F'),
    'f/2.dcm': image(7, '1.2.4', ''),
    'f/README': 'text',
    README: 'text',
  });
  const served = await startTestServer(t, root);
  const empty = await startTestServer(t, temporaryFolder(t));
  await Promise.all([served.ready(), empty.ready()]);
  const pushed = await runCommand(t, ['push', root, '--to', empty.url]);
  t.equal(pushed.code, 0, pushed.stderr);
  t.match(pushed.stderr, /^not sent: README: it is no DICOM/m);
  t.match(pushed.stderr, /^not sent: f\/README: it is no DICOM/m);
  t.match(
    pushed.stderr,
    /\n6 of 6 studies are there; 2 file\(s\) or folder\(s\) that are part of none are not sent\n$/,
  );
  const slices = async (url: string) => {
    const { studies } = await getJson<{ studies: { id: string }[] }>(`${url}/v1/studies`);
    return Promise.all(
      studies.map(async ({ id }) => {
        const { pairs } = await getJson<{ pairs: { id: string; file: string }[] }>(
          `${url}/v1/studies/${id}/pairs?all=1`,
        );
        return pairs.map((pair) => `${pair.id} ${pair.file}`);
      }),
    );
  };
  const expected = await slices(served.url);
  t.equal(expected.length, 6);
  t.same(await slices(empty.url), expected);
});

t.test('a folder is pushed, and pushed again, and what is refused is told', async (t) => {
  const server = await startTestServer(t, temporaryFolder(t), { TOKEN: 'ro:reader,writer' });
  await server.ready();
  const root = folder();
  const push = (env: Record<string, string>, ...more: string[]) =>
    runCommand(t, ['push', root, '--to', server.url, ...more], env);
  const first = await push({ SLICEFEED_TOKEN: 'ro:reader,writer' });
  t.match(
    first.stdout,
    /^A\tuploaded\t2 slices\t2 pairs\nstudy-[0-9a-f]{16}\tuploaded\t1 slices\t1 pairs\n$/,
  );
  t.match(first.stderr, /^not sent: contourfiles\/oc/m);
  t.match(first.stderr, /^not sent: notes.txt/m);
  t.match(first.stderr, /\n2 of 2 studies are there; 2 file\(s\) or folder\(s\)/);
  t.equal(first.code, 0, 'every study was sent');
  const tokens = join(temporaryFolder(t), 'tokens');
  writeFileSync(tokens, '# mine\nwriter\n');
  const again = await push({}, '--token-file', tokens);
  t.match(again.stdout, /^A\tthere already\t/);
  t.equal(again.code, 0);
  const { studies } = await getJson<{ studies: { id: string }[] }>(`${server.url}/v1/studies`).catch(() => ({
    studies: [],
  }));
  t.same(studies, [], 'a token is needed');
  const reader = await push({ SLICEFEED_TOKEN: 'ro:reader' });
  t.equal(reader.code, 1);
  t.match(reader.stderr, /A: 403 SLF_READ_ONLY_TOKEN/);
  t.match(
    reader.stderr,
    /\nfailed: 0 of 2 studies are there; not uploaded: A \(403 SLF_READ_ONLY_TOKEN\), study-[0-9a-f]{16} \(403 SLF_READ_ONLY_TOKEN\)\n$/,
  );
});

t.test('wrong use ends with 2, a service that is not there with 1', async (t) => {
  const root = temporaryFolder(t);
  writeFiles(root, { '1.dcm': imageFile() });
  const [nowhere, noUrl, nobody] = await Promise.all([
    runCommand(t, ['push', join(root, 'none'), '--to', 'http://127.0.0.1:9']),
    runCommand(t, ['push', root, '--to', 'here']),
    runCommand(t, ['push', root, '--to', 'http://127.0.0.1:9']),
  ]);
  t.same([nowhere.code, noUrl.code, nobody.code], [2, 2, 1]);
  t.match(nobody.stderr, /nobody answers at http:\/\/127\.0\.0\.1:9/);
});
