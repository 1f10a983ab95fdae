// Asks a running service whatever its contract allows, and what it doesn't: `node scripts/fuzz-contract.mjs [--count 10000] [--seed 1]
// [--token TOKEN] URL`. It opens and deletes sessions and uploads: use a state folder of its own, and SLICEFEED_RATE_LIMIT=0.
// Prints a report as JSON; exit code 1 where an answer was none of those that /openapi.json names.
import { parseArgs } from 'node:util';
import { fuzzContract } from '../dist/test/fuzz/contract.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    token: { type: 'string' },
  },
});
const [url] = positionals;
const headers = values.token === undefined ? {} : { authorization: `Bearer ${values.token}` };
const ask = async (path) => (await fetch(url + path, { headers })).json();
const { studies } = await ask('/v1/studies');
const { sessions } = await ask('/v1/sessions');
const report = await fuzzContract(url, {
  seed: Number(values.seed),
  count: Number(values.count),
  headers,
  known: {
    study: studies.map(({ id }) => id),
    slice: ['1', '2', '48', '59'],
    id: ['fuzz', ...sessions.map(({ id }) => id)],
    step: ['0', '1', '7'],
  },
});
console.log(JSON.stringify(report, null, 2));
process.exitCode = report.failures.length > 0 ? 1 : 0;
