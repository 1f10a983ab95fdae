import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import t from 'tap';
import { ConfigError, isLoopback, readConfig } from '../src/config.js';
import { coreLimit, memoryLimitBytes } from '../src/machine.js';
import type { SettingName } from '../src/settings.js';
import { sizeBytes } from '../src/size.js';
import { temporaryFolder } from './helper.js';

const GIB = 1024 ** 3;

function messageOf(settings: Partial<Record<SettingName, string>>): string {
  try {
    readConfig({}, settings);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'no error';
}

/** A folder that looks like the kernel's cgroup files. */
function cgroup(t: Parameters<typeof temporaryFolder>[0], files: Record<string, string>): string {
  const root = temporaryFolder(t);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${content}\n`);
  }
  return root;
}

t.test('every setting has a default', async (t) => {
  const config = readConfig({ HOME: '/home/x' });
  t.match(config, {
    data: '',
    host: '127.0.0.1',
    port: 8080,
    tokens: [],
    insecure: false,
    pairTimeoutMs: 10_000,
    batchBytesLimit: 256 * 1024 ** 2,
    spool: '',
    decodeCacheBytes: null,
    sessionIdleMs: 30 * 60_000,
    snapshotDays: 30,
    logLevel: 'info',
  });
  t.equal(config.budgetBytes, Math.floor(memoryLimitBytes() / 4));
  t.equal(config.loaderMemoryBytes, Math.min(GIB, Math.floor(memoryLimitBytes() / 4)));
  t.ok(config.loaders >= 1 && config.loaders <= Math.max(1, coreLimit() - 1));
});

t.test('the cache of decoded frames: a size, none, or what the disk lends', async (t) => {
  t.equal(readConfig({ SLICEFEED_DECODE_CACHE: '2GiB' }).decodeCacheBytes, 2 * GIB);
  t.equal(readConfig({ SLICEFEED_DECODE_CACHE: '0' }).decodeCacheBytes, 0);
  t.match(messageOf({ DECODE_CACHE: 'much' }), 'SLICEFEED_DECODE_CACHE');
});

t.test('an option wins over the environment, which wins over the default', async (t) => {
  t.equal(readConfig({ SLICEFEED_PORT: '81' }).port, 81);
  t.equal(readConfig({ SLICEFEED_PORT: '81' }, { PORT: '82' }).port, 82);
  t.equal(readConfig({ PORT: '81' }).port, 8080, 'a name without its prefix is not ours');
  t.equal(readConfig({ SLICEFEED_PORT: '' }).port, 8080, 'empty is not set');
});

t.test('settings are turned into what the process uses', async (t) => {
  const config = readConfig(
    {},
    {
      DATA: 'some/folder',
      STATE: 'state',
      SPOOL: 'spool',
      TOKEN: ' one, ro:two ,,',
      INSECURE: '1',
      LOADERS: '3',
      LOADER_MEMORY: '128MiB',
      PAIR_SECONDS: '0.5',
      MEMORY_BUDGET: '32MiB',
      BATCH_BYTES: '1 MiB',
      SESSION_IDLE_MINUTES: '0.1',
      SNAPSHOT_DAYS: '0',
      LOG_LEVEL: 'debug',
    },
  );
  t.match(config, {
    data: resolve('some/folder'),
    state: resolve('state'),
    spool: resolve('spool'),
    tokens: ['one', 'ro:two'],
    insecure: true,
    loaders: 3,
    loaderMemoryBytes: 128 * 1024 ** 2,
    pairTimeoutMs: 500,
    budgetBytes: 32 * 1024 ** 2,
    batchBytesLimit: 1024 ** 2,
    sessionIdleMs: 6000,
    snapshotDays: 0,
    logLevel: 'debug',
  });
});

t.test('each data folder has a state folder of its own', async (t) => {
  const state = (data: string, env: Record<string, string> = {}) => readConfig(env, { DATA: data }).state;
  t.match(state('/data/one'), /\/\.local\/state\/slicefeed\/one-[0-9a-f]{8}$/);
  t.match(state('/data/one', { XDG_STATE_HOME: '/var/state' }), /^\/var\/state\/slicefeed\/one-/);
  t.not(state('/data/one'), state('/other/one'));
  t.equal(state('/data/one/'), state('/data/../data/one'));
});

t.test('what cannot be used is told by its name, all at once', async (t) => {
  t.match(messageOf({ PORT: '70000' }), /^SLICEFEED_PORT .*: "70000"/);
  t.match(messageOf({ LOADERS: 'many' }), /^SLICEFEED_LOADERS /);
  t.match(messageOf({ PAIR_SECONDS: '0' }), /^SLICEFEED_PAIR_SECONDS /);
  t.match(messageOf({ MEMORY_BUDGET: '1GB' }), /^SLICEFEED_MEMORY_BUDGET .*"1GB"/);
  t.match(messageOf({ LOG_LEVEL: 'loud' }), /SLICEFEED_LOG_LEVEL /);
  t.match(messageOf({ INSECURE: 'yes' }), /^SLICEFEED_INSECURE /);
  t.strictSame(
    messageOf({ PORT: 'x', LOADERS: '-1' })
      .split('\n')
      .map((line) => line.split(' ')[0]),
    ['SLICEFEED_PORT', 'SLICEFEED_LOADERS'],
  );
});

t.test('a setting that takes a word of a list says which', async (t) => {
  t.equal(
    messageOf({ LOG_LEVEL: 'verbose' }),
    'SLICEFEED_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent: "verbose"',
  );
  t.equal(messageOf({ LOG_FORMAT: 'xml' }), 'SLICEFEED_LOG_FORMAT must be one of auto, json, pretty: "xml"');
  t.equal(messageOf({ LOG_STUDY_IDS: 'none' }), 'SLICEFEED_LOG_STUDY_IDS must be one of plain, hash: "none"');
  t.equal(messageOf({ INSECURE: 'yes' }), 'SLICEFEED_INSECURE must be one of 0, 1: "yes"');
  t.strictSame(
    ['', '0', '1'].map((INSECURE) => readConfig({}, { INSECURE }).insecure),
    [false, false, true],
  );
});

t.test('the port that Kubernetes sets for a service of this name is told with its remedy', async (t) => {
  t.match(messageOf({ PORT: 'tcp://10.0.0.1:8080' }), /enableServiceLinks: false/);
});

t.test('a loader without memory cannot be', async (t) => {
  for (const size of ['0', '1KiB']) t.match(messageOf({ LOADER_MEMORY: size }), /^SLICEFEED_LOADER_MEMORY /);
});

t.test(
  'sizes: bytes, and powers of 1024 by their letter, as docker, Kubernetes and IEC write them',
  async (t) => {
    const sizes: Record<string, number> = {
      '0': 0,
      '12': 12,
      '12B': 12,
      '12b': 12,
      '3KiB': 3072,
      '3k': 3072,
      '3 K': 3072,
      '256MiB': 256 * 1024 ** 2,
      '256 MiB': 256 * 1024 ** 2,
      '256mib': 256 * 1024 ** 2,
      '256m': 256 * 1024 ** 2,
      '256Mi': 256 * 1024 ** 2,
      '2GiB': 2 * GIB,
      '2g': 2 * GIB,
      '2G': 2 * GIB,
      '2Gi': 2 * GIB,
    };
    for (const [text, bytes] of Object.entries(sizes)) {
      t.equal(sizeBytes(text), bytes, text);
      t.equal(
        readConfig({}, { ZIP_BYTES: '1g', UPLOAD_BYTES: '1g', MEMORY_BUDGET: text || '0' }).budgetBytes,
        bytes || Math.floor(memoryLimitBytes() / 4),
        text,
      );
    }
    for (const text of [
      '',
      '1MB',
      '2GB',
      '2gb',
      '1.5GiB',
      '-1',
      '1 TiB',
      '2t',
      'GiB',
      'g',
      '2  g',
      ' 2g',
      '2gg',
      '2ig',
      '0x10',
    ])
      t.equal(sizeBytes(text), null, text);
    t.equal(
      messageOf({ BATCH_BYTES: '2GB', DECODE_CACHE: 'all' }),
      ['BATCH_BYTES', 'DECODE_CACHE']
        .map(
          (name) =>
            `SLICEFEED_${name} is no size: write 512MiB, 512m or 2g (k, m and g are powers of 1024; KB, MB and GB mean either, so they are not taken): "${name === 'BATCH_BYTES' ? '2GB' : 'all'}"`,
        )
        .join('\n'),
    );
  },
);

t.test(
  'a setting of tokens that yields none is an error; a # begins a token as any other sign',
  async (t) => {
    t.strictSame(readConfig({ SLICEFEED_TOKEN: '#s3cret' }).tokens, ['#s3cret']);
    t.strictSame(readConfig({}, { TOKEN: ' a,\n#b ' }).tokens, ['a', '#b']);
    t.strictSame(readConfig({ SLICEFEED_TOKEN: '' }).tokens, [], 'as if it were not there, as every setting');
    for (const TOKEN of [' ', ',', ' , ,', '\n', '\t'])
      t.equal(
        messageOf({ TOKEN }),
        'SLICEFEED_TOKEN: it holds no token: give one, or leave the setting out',
        JSON.stringify(TOKEN),
      );
  },
);

t.test("memory is the container's where that is less than the machine's", async (t) => {
  t.equal(memoryLimitBytes(cgroup(t, { 'memory.max': '4096' })), 4096);
  t.equal(memoryLimitBytes(cgroup(t, { 'memory/memory.limit_in_bytes': '8192' })), 8192);
  t.equal(memoryLimitBytes(cgroup(t, { 'memory.max': 'max' })), totalmem());
  t.equal(memoryLimitBytes(cgroup(t, { 'memory/memory.limit_in_bytes': '9223372036854771712' })), totalmem());
  t.equal(memoryLimitBytes(cgroup(t, {})), totalmem());
});

t.test("cores are the container's where that is less than the machine's", async (t) => {
  const cores = availableParallelism();
  t.equal(coreLimit(cgroup(t, { 'cpu.max': '100000 100000' })), 1);
  t.equal(coreLimit(cgroup(t, { 'cpu.max': '50000 100000' })), 1);
  t.equal(coreLimit(cgroup(t, { 'cpu.max': '150000 100000' })), Math.min(cores, 2));
  t.equal(coreLimit(cgroup(t, { 'cpu.max': '99900000 100000' })), cores);
  t.equal(coreLimit(cgroup(t, { 'cpu.max': 'max 100000' })), cores);
  const v1 = (quota: string) =>
    cgroup(t, { 'cpu/cpu.cfs_quota_us': quota, 'cpu/cpu.cfs_period_us': '100000' });
  t.equal(coreLimit(v1('100000')), 1);
  t.equal(coreLimit(v1('-1')), cores);
  t.equal(coreLimit(cgroup(t, {})), cores);
});

t.test('addresses that no other machine reaches', async (t) => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) t.equal(isLoopback(host), true, host);
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.org', '1270.0.0.1', ''])
    t.equal(isLoopback(host), false, host);
  t.equal(isLoopback('127.0.0.1.example.org'), false, 'a name is no address');
});
