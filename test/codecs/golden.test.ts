import t from 'tap';
import { readImageFile, tableRows, valuesDigest } from '../fixtures/image-files.js';
import { sharedData } from '../shared-data.js';

const golden = sharedData('dicom', 'golden.tsv');

/**
 * Files for which the list has the values of decoders that extend no sign of JPEG-LS; pydicom 3 and SimpleITK
 * 2.5 read these values.
 */
const SIGNED = new Map([
  ['pydicom-data/JLSL_16_15_1_1F.dcm', 'bb0a20c386271e836966f81064e1b439a2951b1faa35b48ddbd34e11fb926b6c'],
]);

t.test(
  'every golden image has the values that other decoders agree on, lossy ones to the last count',
  { skip: golden === null && 'the real data is missing: ../shared/data/dicom/golden.tsv' },
  async (t) => {
    const folder = sharedData('dicom')!;
    const rows = tableRows(golden!);
    t.ok(rows.length > 100);
    for (const { path, transfer_syntax: uid, sha256 } of rows) {
      const image = readImageFile(folder, path!);
      t.strictSame(
        [image.header.transferSyntax, await valuesDigest(image)],
        [uid, SIGNED.get(path!) ?? sha256],
        path!,
      );
    }
  },
);
