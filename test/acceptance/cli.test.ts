import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask } from '../fixtures/client.js';
import { CLI, runCommand, startCommand } from '../fixtures/command.js';
import { temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });

const STACK = /\n\s+at \S/;

function serveArgs(...more: readonly string[]): string[] {
  return [
    'serve',
    '--data',
    folder,
    '--state',
    temporaryFolder(t),
    '--spool',
    temporaryFolder(t),
    '--port',
    '0',
    ...more,
  ];
}

t.test('help is for people, on stdout, with exit code 0', async (t) => {
  for (const args of [['--help'], ['help']]) {
    const { code, stdout, stderr } = await runCommand(t, args);
    t.strictSame([code, stderr], [0, ''], args.join(' '));
    t.match(stdout, /Usage: slicefeed/);
    t.match(stdout, /\bserve\b/);
    t.match(stdout, /\bdemo\b/);
  }
  const { code, stdout, stderr } = await runCommand(t, ['serve', '--help']);
  t.strictSame([code, stderr], [0, '']);
  for (const option of ['data', 'state', 'port', 'host', 'token', 'loaders', 'memory-budget', 'log-level'])
    t.match(stdout, new RegExp(`--${option}\\b`));
  t.match(stdout, /8080/, 'defaults are told');
  t.match(stdout, /SLICEFEED_/);
  const demo = await runCommand(t, ['demo', '--help']);
  t.strictSame([demo.code, demo.stderr], [0, '']);
});

t.test('wrong use says what is wrong and ends with 2', async (t) => {
  const cases: readonly (readonly [args: string[], says: RegExp])[] = [
    [[], /./],
    [['sevre'], /sevre/],
    [['--serve'], /--serve/],
    [['serve', '--dta', folder], /--dta/],
    [['serve', folder], new RegExp(folder)],
    [['serve', '--data'], /--data/],
    [['demo', '--data', folder], /--data/],
    [['serve'], /--data.*SLICEFEED_DATA|SLICEFEED_DATA.*--data/],
    [['constructor'], /constructor/],
  ];
  const ends = await Promise.all(cases.map(([args]) => runCommand(t, args)));
  for (const [at, [args, says]] of cases.entries()) {
    const { code, stdout, stderr } = ends[at]!;
    t.equal(code, 2, args.join(' '));
    t.match(stdout + stderr, says);
    t.notMatch(stderr, STACK);
    if (args.length > 0) t.equal(stdout, '', 'nothing on stdout');
  }
});

t.test('settings that can’t be used are all named with their values, and end with 2', async (t) => {
  const cases = [
    { PORT: '99999', LOADERS: 'many', MEMORY_BUDGET: 'lots', LOG_LEVEL: 'loud' },
    { PORT: 'http', LOADERS: '2.5', LOADER_MEMORY: '1GB', PAIR_SECONDS: '0', INSECURE: 'yes' },
  ];
  const option = (name: string) => `--${name.toLowerCase().replaceAll('_', '-')}`;
  for (const settings of cases.map((one) => Object.entries(one))) {
    const options = settings.map(([name, value]) => `${option(name)}=${value}`);
    const env = Object.fromEntries(settings.map(([name, value]) => [`SLICEFEED_${name}`, value]));
    const ends = await Promise.all([
      runCommand(t, serveArgs(...options)),
      runCommand(t, ['serve', '--data', folder], env),
    ]);
    for (const { code, stdout, stderr } of ends) {
      t.strictSame([code, stdout], [2, '']);
      for (const [name, value] of settings) {
        const line = stderr.split('\n').find((text) => text.includes(`"${value}"`)) ?? '';
        t.match(line, new RegExp(`SLICEFEED_${name}|${option(name)}`), `${name} ${value}`);
      }
      t.notMatch(stderr, STACK);
    }
  }
});

t.test('a port that Kubernetes set for a service of this name gets its hint', async (t) => {
  const env = { SLICEFEED_PORT: 'tcp://10.0.0.7:8080' };
  const { code, stderr } = await runCommand(t, ['serve', '--data', folder], env);
  t.equal(code, 2);
  t.match(stderr, /SLICEFEED_PORT/);
  t.match(stderr, /Kubernetes/);
  t.match(stderr, /enableServiceLinks/);
});

t.test('a port in use ends with 1 and says which', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const { code, stdout, stderr } = await runCommand(t, serveArgs('--port', String(port)));
  t.strictSame([code, stdout], [1, '']);
  t.match(stderr, new RegExp(`${port}.*(taken|in use)`));
  t.match(stderr, /--port/);
  t.notMatch(stderr, STACK);
});

t.test('a folder or an address that cannot be used is named with its option, before any token', async (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(file, '');
  const isFile = 'cannot be made: it, or a folder above it, is a file';
  const cases: readonly (readonly [args: string[], says: string])[] = [
    [
      ['--state', file],
      `the state folder ${file} ${isFile}. Name a folder that this user may write to with --state FOLDER or SLICEFEED_STATE`,
    ],
    [['--state', join(file, 'below')], `the state folder ${join(file, 'below')} ${isFile}. Name a folder`],
    [
      ['--spool', file],
      `the spool folder ${file} ${isFile}. Name a folder that this user may write to with --spool FOLDER or SLICEFEED_SPOOL`,
    ],
    [['--host', '256.1.1.1'], 'no address is known for the host 256.1.1.1 ('],
    [
      ['--host', '192.0.2.77'],
      '192.0.2.77 is no address of this machine: choose one with --host or SLICEFEED_HOST',
    ],
  ];
  const ends = await Promise.all(cases.map(([args]) => runCommand(t, serveArgs(...args))));
  for (const [at, [args, says]] of cases.entries()) {
    const { code, stdout, stderr } = ends[at]!;
    t.strictSame([code, stdout], [1, ''], args.join(' '));
    t.ok(stderr.includes(`slicefeed: ${says}`), stderr);
    t.notMatch(stderr, /token/i);
    t.notMatch(stderr, STACK);
  }
});

t.test('a state folder in the data folder is a warning', async (t) => {
  const data = temporaryFolder(t);
  const state = join(data, 'state');
  const inside = startCommand(t, serveArgs('--data', data, '--state', state));
  await inside.serving();
  const text = 'the state folder lies in the data folder: choose another with SLICEFEED_STATE';
  const lines = inside
    .stderr()
    .split('\n')
    .filter((line) => line.includes(text));
  t.match(
    lines.map((line) => JSON.parse(line)),
    [{ level: 40, state, data }],
  );
  t.equal(lines.length, 1);
  const beside = startCommand(t, serveArgs('--data', data, '--state', `${data}-state`));
  t.teardown(() => rmSync(`${data}-state`, { recursive: true, force: true }));
  await beside.serving();
  t.notMatch(beside.stderr(), /lies in the data folder/);
});

t.test('the help of an option names other options as they are written', async (t) => {
  const { stdout } = await runCommand(t, ['serve', '--help']);
  t.match(stdout, /^ {2}--tls-cert .*: the service speaks HTTPS; needs --tls-key$/m);
});

t.test('options win over settings, and the log is on stderr alone', async (t) => {
  const env = { SLICEFEED_PORT: '1', SLICEFEED_DATA: '/nonexistent', SLICEFEED_HOST: '127.0.0.9' };
  const command = startCommand(t, serveArgs('--host', '127.0.0.1'), env);
  const url = await command.serving();
  t.equal(new URL(url).hostname, '127.0.0.1');
  t.equal((await ask(`${url}/livez`)).status, 200);
  command.kill('SIGINT');
  const { code, stdout, stderr } = await command.ended;
  t.strictSame([code, stdout], [0, '']);
  for (const line of stderr.trim().split('\n')) t.type(JSON.parse(line).msg, 'string');
});

t.test('a second service on the same state folder ends with 1 and names it', async (t) => {
  const state = temporaryFolder(t);
  const first = startCommand(t, serveArgs('--state', state));
  const url = await first.serving();
  const { code, stderr } = await runCommand(t, serveArgs('--state', state));
  t.equal(code, 1);
  t.ok(stderr.includes(state));
  t.match(stderr, /--state/);
  t.notMatch(stderr, STACK);
  t.equal((await ask(`${url}/livez`)).status, 200, 'the first goes on');
  first.kill('SIGKILL');
  await first.ended;
  const second = startCommand(t, serveArgs('--state', state));
  t.equal((await ask(`${await second.serving()}/livez`)).status, 200, 'what was killed holds nothing');
});

t.test('with too few open files allowed, the command prints one line and exits with 1', async (t) => {
  const run = (files: number, ...args: string[]) =>
    spawnSync('sh', ['-c', `ulimit -n ${files} && exec "$0" "$@"`, process.execPath, CLI, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '' },
    });
  for (const files of [32, 64, 191]) {
    const { status, stdout, stderr } = run(files, ...serveArgs());
    t.strictSame([status, stdout], [1, ''], `${files} files`);
    t.match(
      stderr,
      new RegExp(`^slicefeed: this process may open ${files} files at a time, .*ulimit -n 1024.*\\n$`),
    );
  }
  t.match(run(192, '--version'), { status: 0, stderr: '' });
});
