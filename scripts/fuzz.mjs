// Decodes mutated copies of valid files in loaders: `node scripts/fuzz.mjs [--count 10000] [--seed 1] [--keep FOLDER] FILE...`.
// Prints a report as JSON; exit code 1 where a loader died or an answer was none. --keep keeps the files that failed.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzz } from '../dist/test/fuzz/fuzz.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'string' },
  },
});
const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'slicefeed-fuzz-'));
const report = await fuzz(positionals, {
  seed: Number(values.seed),
  count: Number(values.count),
  folder,
  keep: values.keep !== undefined,
  onProgress: (tried) => {
    if (tried % 500 === 0) console.error(`${tried} tried`);
  },
});
if (values.keep === undefined) rmSync(folder, { recursive: true });
console.log(JSON.stringify(report, null, 2));
process.exitCode = report.failures.length > 0 ? 1 : 0;
