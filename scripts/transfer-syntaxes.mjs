// Writes docs/transfer-syntaxes.md from the golden images: `node scripts/transfer-syntaxes.mjs [GOLDEN.tsv]`. Each is decoded
// through a loader; without GOLDEN.tsv the table of ../shared/data/dicom is taken.
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CODECS } from '../dist/src/codecs/codecs.js';
import { transferSyntaxName } from '../dist/src/core/dicom-uids.js';
import { PixelError } from '../dist/src/core/pixels.js';
import { readImageFile, tableRows, valuesDigest } from '../dist/test/fixtures/image-files.js';

const table = process.argv[2] ?? '../shared/data/dicom/golden.tsv';
const tallies = new Map();
for (const uid of new Set(CODECS.flatMap(({ transferSyntaxes }) => transferSyntaxes)))
  tallies.set(uid, { tried: 0, exact: 0, others: 0, refused: 0 });
for (const { path, transfer_syntax: uid, sha256 } of tableRows(table)) {
  const tally = tallies.get(uid) ?? { tried: 0, exact: 0, others: 0, refused: 0 };
  tallies.set(uid, tally);
  tally.tried += 1;
  try {
    const digest = await valuesDigest(readImageFile(dirname(table), path));
    tally[digest === sha256 ? 'exact' : 'others'] += 1;
  } catch (error) {
    if (!(error instanceof PixelError)) throw error;
    tally.refused += 1;
  }
}

const cells = (values) => `| ${values.join(' | ')} |`;
const rows = [...tallies]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([uid, { tried, exact, others, refused }]) =>
    cells([transferSyntaxName(uid) ?? uid, tried, exact, others, refused]),
  );
const text = `# Transfer syntaxes

Every transfer syntax that is read, and what became of the public images that the project is tried on: each was decoded to
stored values and their SHA-256 compared with that of other decoders (pydicom, GDCM, dcmtk). *Exact*: every value is the same, in
lossy images too; *others*: a decoded image with other values, which a lossy encoding may have. Made by \`node scripts/transfer-syntaxes.mjs\`.

${cells(['transfer syntax', 'files', 'exact', 'others', 'refused'])}
${cells(['---', '---', '---', '---', '---'])}
${rows.join('\n')}

JPEG XL (1.2.840.10008.1.2.4.110 to 112), the multi-component part of JPEG 2000 (92, 93) and video are refused by name:
no decoder for Node of the first is maintained, and nothing of the others was ever asked for.
`;
writeFileSync(fileURLToPath(new URL('../docs/transfer-syntaxes.md', import.meta.url)), text);
