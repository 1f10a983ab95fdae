import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readTokenFile } from '../src/token-file.js';
import { ask } from './fixtures/client.js';
import { runCommand } from './fixtures/command.js';
import { startTestServer, temporaryFolder } from './helper.js';

t.test('a file that holds no usable token is refused, and not quoted', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'tokens');
  const refusal = (content: string) => {
    writeFileSync(path, content);
    try {
      return readTokenFile(path).join();
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.equal(refusal('alpha\nro:beta\n'), 'alpha,ro:beta');
  t.equal(refusal(''), 'it holds no token');
  t.equal(refusal('\n# none yet\n,\n'), 'it holds no token');
  t.match(refusal('alpha\nsecret word\n'), /^token 2 of 2 can't be sent/);
  t.notMatch(refusal('alpha\nsecret word\n'), /secret/);
  t.equal(refusal('a'.repeat(1024 * 1024 + 1)), 'it has over 1 MiB');
  t.throws(() => readTokenFile(join(folder, 'away')), { message: "it can't be read (ENOENT)" });
  t.throws(() => readTokenFile(folder), { message: 'it is no file' });
  t.throws(() => readTokenFile('/dev/zero'), { message: 'it is no file' });
});

t.test('the start is refused while its file cannot be used', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'tokens');
  writeFileSync(path, '# none yet\n');
  const args = [
    'serve',
    '--data',
    folder,
    '--state',
    temporaryFolder(t),
    '--port',
    '0',
    '--token-file',
    path,
  ];
  const { code, stderr } = await runCommand(t, args);
  t.equal(code, 2);
  t.equal(stderr, `slicefeed: SLICEFEED_TOKEN_FILE ${path}: it holds no token\n`);
});

t.test('tokens of a file are read again when it changes; a bad one changes nothing', async (t) => {
  const folder = temporaryFolder(t);
  // A secret of a container: a link to a folder's file, and the folder is a link that leads elsewhere after a change.
  const lay = (name: string, content: string) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'tokens'), content);
    symlinkSync(name, join(folder, 'new'));
    renameSync(join(folder, 'new'), join(folder, 'present'));
  };
  lay('first', 'old-token\n');
  const server = await startTestServer(t, temporaryFolder(t), {
    TOKEN: 'given-token',
    TOKEN_FILE: join(folder, 'present', 'tokens'),
  });
  const statuses = async () => {
    const seen = [];
    for (const token of ['given-token', 'old-token', 'new-token', '']) {
      const { status } = await ask(`${server.url}/v1/studies`, {
        headers: { authorization: `Bearer ${token}` },
      });
      seen.push(status);
    }
    return seen;
  };
  const lines = (msg: string) => server.log.filter((line) => line.msg === msg);
  const changed = 'tokens read again';
  const unusable = 'the token file is unusable: the last good tokens stay';
  t.strictSame(await statuses(), [200, 200, 401, 401]);
  lay('second', 'new-token,ro:reader\n');
  t.match(await server.logged(({ msg }) => msg === changed), { level: 30, tokens: 3 });
  t.strictSame(await statuses(), [200, 401, 200, 401]);
  lay('third', '');
  t.match(await server.logged(({ msg }) => msg === unusable), { level: 50, reason: 'it holds no token' });
  t.strictSame(
    await statuses(),
    [200, 401, 200, 401],
    'the last good ones stay, and the service does not open',
  );
  t.equal(lines(changed).length, 1);
  t.notMatch(JSON.stringify(server.log), /old-token|new-token|given-token|reader/);
});
