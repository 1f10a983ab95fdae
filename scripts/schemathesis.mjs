// Checks a running service against its OpenAPI document with schemathesis, for a minute without a token and for a minute with one:
// `npm run contract [-- --install]`. CI installs schemathesis by itself; elsewhere --install does, below .peers.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makePhantom } from '../dist/src/demo/phantom.js';

const PACKAGE = 'schemathesis==4.32.5';
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENVIRONMENT = join(ROOT, '.peers', 'schemathesis');
const PROGRAM = join(ENVIRONMENT, 'bin', 'schemathesis');
const CLI = join(ROOT, 'dist', 'src', 'cli.js');
const SECONDS = 55;
const START_WITHIN_MS = 60_000;

const isCi = process.env.CI === 'true';

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd: ROOT });
  if (error) console.error(String(error));
  return status === 0;
}

/** Whether schemathesis is installed; installs it first on request. */
function isInstalled() {
  if (existsSync(PROGRAM)) return true;
  if (!isCi && !process.argv.includes('--install')) return false;
  const make = () => run('python3', ['-m', 'venv', '--clear', ENVIRONMENT]);
  // The Python of some distributions lacks the module that makes environments.
  const made = make() || (isCi && run('apt-get', ['install', '-y', '-qq', 'python3-venv']) && make());
  return made && run(join(ENVIRONMENT, 'bin', 'pip'), ['install', '--quiet', PACKAGE]) && existsSync(PROGRAM);
}

function linesOf(log) {
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

async function waitFor(what, look) {
  const until = Date.now() + START_WITHIN_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > until) throw new Error(`waited ${START_WITHIN_MS / 1000} s in vain for ${what}`);
    await pause(100);
  }
}

/** Runs schemathesis against a service of its own; returns the failures. */
async function hold(folder, data, token) {
  const name = token === null ? 'open' : 'token';
  const log = join(folder, `${name}.log`);
  const file = openSync(log, 'w', 0o600);
  const own = ['--host', '127.0.0.1', '--port', '0', '--data', data, '--state', join(folder, name)];
  const service = spawn(process.execPath, [CLI, 'serve', ...own], {
    stdio: ['ignore', file, file],
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      SLICEFEED_RATE_LIMIT: '0',
      ...(token === null ? {} : { SLICEFEED_TOKEN: token }),
    },
  });
  const ended = new Promise((resolve) => service.once('exit', (code, signal) => resolve(signal ?? code)));
  const faults = [];
  try {
    const { url } = await waitFor('the service', () =>
      linesOf(log).find(({ msg }) => msg === 'slicefeed serves'),
    );
    await waitFor('the scan', async () => (await fetch(`${url}/readyz`)).ok);
    const how = ['--config-file', join(ROOT, 'scripts', 'schemathesis.toml'), 'run', '--no-color'];
    const bounds = ['--seed', '1', '--max-examples', '15', '--max-time', String(SECONDS)];
    const headers = token === null ? [] : ['--header', `Authorization: Bearer ${token}`];
    const held = spawnSync(PROGRAM, [...how, ...bounds, ...headers, `${url}/openapi.json`], {
      stdio: 'inherit',
      cwd: folder,
    });
    if (held.status !== 0) faults.push('schemathesis found what the contract does not say');
    if (!(await fetch(`${url}/livez`)).ok) faults.push('the service does not answer any more');
  } finally {
    service.kill('SIGTERM');
    const end = await ended;
    if (end !== 0) faults.push(`the service ended with ${end}`);
  }
  for (const { level, msg, err } of linesOf(log))
    if (level >= 50) faults.push(`the service logged "${msg}": ${err?.stack ?? ''}`);
  return faults.map((fault) => `${name}: ${fault}`);
}

if (!isInstalled()) {
  console.error(
    isCi
      ? 'schemathesis is missing and could not be installed'
      : 'skipped: schemathesis is missing; npm run contract -- --install installs it below .peers',
  );
  process.exit(isCi ? 1 : 0);
}
const folder = mkdtempSync(join(tmpdir(), 'slicefeed-contract-'));
try {
  const data = join(folder, 'data');
  await makePhantom(data, { studies: 2, slices: 3, phases: 2, rows: 32, columns: 32 });
  const faults = [];
  for (const token of [null, 'token-of-this-run']) faults.push(...(await hold(folder, data, token)));
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0 ? 'the service keeps its contract' : 'the service does not keep its contract',
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
