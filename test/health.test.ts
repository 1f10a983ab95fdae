import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { askHealth, ownUrl } from '../src/health.js';
import { runCommand } from './fixtures/command.js';
import { startTestServer, temporaryFolder } from './helper.js';

const missing =
  process.env.CI !== 'true' && spawnSync('openssl', ['version']).error
    ? 'openssl is missing: apt-get install openssl'
    : false;

t.test('a service is asked at its own address', async (t) => {
  const tls = { certPath: '/a', keyPath: '/b' };
  const asked = (host: string, with_: typeof tls | null = null) =>
    ownUrl({ host, port: 8080, tls: with_ }, '/livez').href;
  t.equal(asked('127.0.0.1'), 'http://127.0.0.1:8080/livez');
  t.equal(asked('0.0.0.0'), 'http://127.0.0.1:8080/livez');
  t.equal(asked('::'), 'http://[::1]:8080/livez');
  t.equal(asked('::1', tls), 'https://[::1]:8080/livez');
  t.equal(asked('10.1.2.3'), 'http://10.1.2.3:8080/livez');
  t.equal(asked('localhost'), 'http://localhost:8080/livez');
});

t.test('health is good if the service answers, and bad if not', async (t) => {
  const server = await startTestServer(t, temporaryFolder(t), { TOKEN: 'secret' });
  await server.ready();
  const env = { SLICEFEED_HOST: '127.0.0.1', SLICEFEED_PORT: new URL(server.url).port };
  const [live, ready] = await Promise.all([
    runCommand(t, ['health'], env),
    runCommand(t, ['health', '--ready'], env),
  ]);
  t.match(live, { code: 0, stdout: `${server.url}/livez: 200\n`, stderr: '' });
  t.match(ready, { code: 0, stdout: `${server.url}/readyz: 200\n` });
  // Without loaders it can't serve, but it is alive.
  await server.service.pool.close(0);
  const unready = await runCommand(t, ['health', '--ready'], env);
  t.match([unready.code, unready.stdout], [1, '']);
  t.match(unready.stderr, /^slicefeed: \S+\/readyz: 503 \{"ready":false,"missing":\["no loader is ready"\]/);
  await server.close();
  const gone = await runCommand(t, ['health'], env);
  t.match(gone, { code: 1, stderr: `slicefeed: ${server.url}/livez: no answer ECONNREFUSED\n` });
  t.match(await runCommand(t, ['health', '--port', '0']), { code: 2, stderr: /needs the port/ });
});

t.test('over TLS a service is asked with the settings that it has', { skip: missing }, async (t) => {
  const folder = temporaryFolder(t);
  const [cert, key] = [join(folder, 'own.crt'), join(folder, 'own.key')];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-batch'],
    ...['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=another.example'],
  ]);
  t.equal(made.status, 0);
  const server = await startTestServer(t, temporaryFolder(t), { TLS_CERT: cert, TLS_KEY: key });
  const env = {
    SLICEFEED_HOST: '0.0.0.0',
    SLICEFEED_PORT: new URL(server.url).port,
    SLICEFEED_TLS_CERT: cert,
    SLICEFEED_TLS_KEY: key,
  };
  t.match(await runCommand(t, ['health'], env), { code: 0, stdout: `${server.url}/livez: 200\n` });
  const plain = await askHealth(new URL(server.url.replace('https:', 'http:')));
  t.equal(plain.status, null, 'not without TLS');
});
