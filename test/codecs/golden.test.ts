import t from 'tap';
import { readImageFile, tableRows, valuesDigest } from '../fixtures/image-files.js';
import { sharedData } from '../shared-data.js';

const golden = sharedData('dicom', 'golden.tsv');

t.test(
  'every golden image has the values that other decoders agree on, lossy ones to the last count',
  { skip: golden === null && 'the real data is missing: ../shared/data/dicom/golden.tsv' },
  async (t) => {
    const folder = sharedData('dicom')!;
    const rows = tableRows(golden!);
    t.ok(rows.length > 100);
    for (const { path, transfer_syntax: uid, sha256 } of rows) {
      const image = readImageFile(folder, path!);
      t.strictSame([image.header.transferSyntax, await valuesDigest(image)], [uid, sha256], path!);
    }
  },
);
