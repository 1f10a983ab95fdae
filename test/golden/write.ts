import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COLUMNS, GOLDEN_FILE, linesOf } from './bodies.js';
import { GOLDEN } from './specs.js';

// `npm run golden`: writes bodies.tsv anew. Every source has to be there, so that no line is lost.
const after: (() => unknown)[] = [];
const lines = [COLUMNS.join('\t')];
for (const source of Object.keys(GOLDEN)) {
  const found = await linesOf({ teardown: (work: () => unknown) => after.push(work) }, source);
  if (found === null) throw new Error(`the data of ${source} is not there: set SLICEFEED_TEST_DATA`);
  lines.push(...found);
}
for (const work of after.reverse()) await work();
const path = process.argv[2] ?? fileURLToPath(GOLDEN_FILE);
writeFileSync(path, `${lines.join('\n')}\n`);
console.log(`${lines.length - 1} sessions written to ${path}`);
