import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import t from 'tap';
import { makePhantom } from '../src/demo/phantom.js';
import { readTlsFiles, TlsError } from '../src/tls.js';
import { CHUNK_BYTES } from '../src/wire/buffers.js';
import { runCommand } from './fixtures/command.js';
import { rawConnection } from './fixtures/raw-http.js';
import { imageFile } from './fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from './helper.js';

const missing =
  process.env.CI !== 'true' && spawnSync('openssl', ['version']).error
    ? 'openssl is missing: apt-get install openssl'
    : false;
const folder = temporaryFolder(t);
const path = (name: string) => join(folder, name);

/** Makes a key and a certificate of it that signs itself, as `NAME.key` and `NAME.crt`. */
function makeCertificate(name: string, days = 2): void {
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-batch'],
    ...['-keyout', path(`${name}.key`), '-out', path(`${name}.crt`), '-days', String(days)],
    ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
  ]);
  if (made.status !== 0) throw new Error(String(made.stderr));
}

if (!missing) for (const name of ['first', 'second']) makeCertificate(name);

t.test('files that TLS cannot be spoken with are named, and not quoted', { skip: missing }, async (t) => {
  const refusal = (cert: string, key: string) => {
    try {
      readTlsFiles(path(cert), path(key));
      return 'none';
    } catch (error) {
      return error instanceof TlsError ? error.message.replaceAll(`${folder}/`, '') : String(error);
    }
  };
  writeFileSync(path('note'), 'a note of mine');
  t.equal(refusal('first.crt', 'first.key'), 'none');
  t.equal(refusal('away', 'first.key'), "SLICEFEED_TLS_CERT away: it can't be read (ENOENT)");
  t.equal(refusal('note', 'first.key'), 'SLICEFEED_TLS_CERT note: it holds no certificate in PEM form');
  t.equal(
    refusal('first.crt', 'note'),
    'SLICEFEED_TLS_KEY note: it holds no key in PEM form without a passphrase',
  );
  t.equal(
    refusal('first.crt', 'second.key'),
    'SLICEFEED_TLS_KEY second.key: it is not the key of the first certificate in first.crt',
  );
});

t.test('one of the two without the other is wrong use', async (t) => {
  for (const [option, absent] of [
    ['--tls-cert', 'KEY'],
    ['--tls-key', 'CERT'],
  ] as const) {
    const { code, stderr } = await runCommand(t, ['serve', '--data', folder, option, path('note')]);
    t.equal(code, 2);
    t.equal(stderr, `slicefeed: SLICEFEED_TLS_${absent} is missing: HTTPS takes a certificate and its key\n`);
  }
});

t.test('the service speaks TLS 1.2 and later, and takes a new certificate', { skip: missing }, async (t) => {
  const [cert, key] = [path('used.crt'), path('used.key')];
  const use = (name: string) => {
    copyFileSync(path(`${name}.key`), key);
    copyFileSync(path(`${name}.crt`), cert);
  };
  use('first');
  const server = await startTestServer(t, temporaryFolder(t), { TLS_CERT: cert, TLS_KEY: key });
  t.match(server.url, /^https:/);
  t.ok(server.log.some(({ msg }) => msg === `listening on ${server.url}`));
  const { port } = new URL(server.url);
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    get(`${server.url}/livez`, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
  t.equal(answer, 200);
  /** The name in the certificate, or why there is no connection. */
  const peer = (maxVersion: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
    new Promise<string>((resolve) => {
      const options = { port: Number(port), host: '127.0.0.1', rejectUnauthorized: false, maxVersion };
      const socket = connect({ ...options, minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' }, () => {
        resolve(`${socket.getProtocol()} ${socket.getPeerCertificate().subject.CN}`);
        socket.destroy();
      });
      socket.on('error', () => resolve('refused'));
    });
  t.equal(await peer('TLSv1.3'), 'TLSv1.3 first');
  t.equal(await peer('TLSv1.2'), 'TLSv1.2 first');
  t.equal(await peer('TLSv1.1'), 'refused');
  copyFileSync(path('second.crt'), cert);
  const unusable = 'the certificate is unusable: the last good one stays';
  t.match(await server.logged(({ msg }) => msg === unusable), { level: 50, reason: /is not the key/ });
  t.equal(await peer('TLSv1.3'), 'TLSv1.3 first');
  copyFileSync(path('second.key'), key);
  await server.logged(({ msg }) => msg === 'certificate read again');
  t.equal(await peer('TLSv1.3'), 'TLSv1.3 second');
});

t.test('a batch is not encrypted as a whole for a reader that stands still', { skip: missing }, async (t) => {
  const data = join(temporaryFolder(t), 'data');
  await makePhantom(data, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });
  const files = { TLS_CERT: path('first.crt'), TLS_KEY: path('first.key') };
  const server = await startTestServer(t, data, files);
  let socket: TLSSocket | null = null;
  server.listener.on('secureConnection', (accepted: TLSSocket) => {
    socket = accepted;
  });
  const connection = await rawConnection(t, server.url);
  const post = async (path: string, body: object) => {
    const text = JSON.stringify(body);
    connection.socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
    return JSON.parse((await connection.answer()).body.toString());
  };
  await post('/v1/scan', {});
  const shape = { fit: 'pad', rows: 2000, columns: 2000 };
  const { id, batchBytes } = await post('/v1/sessions', { batchSize: 2, shape, prefetch: 0 });
  t.ok(batchBytes > 20_000_000);
  connection.get(`/v1/sessions/${id}/batches/0`);
  await connection.some(1);
  t.ok(socket!.writableLength <= CHUNK_BYTES + 1024, `${socket!.writableLength} bytes wait`);
  // The rest arrives once it is read.
  await connection.some(batchBytes - 4_000_000);
});

t.test('push takes the certificate of a service’s authority from --ca', { skip: missing }, async (t) => {
  const server = await startTestServer(t, temporaryFolder(t), {
    TLS_CERT: path('first.crt'),
    TLS_KEY: path('first.key'),
  });
  await server.service.scans.first;
  const one = temporaryFolder(t);
  writeFileSync(join(one, '1.dcm'), imageFile());
  const push = (...more: string[]) =>
    runCommand(t, ['push', one, '--to', server.url, '--id', 'one', ...more]);
  t.match(await push(), { code: 1, stderr: /--ca FILE/ });
  t.match(await push('--ca', path('second.crt')), { code: 1, stderr: /--ca FILE/ });
  t.match(await push('--ca', path('first.key')), { code: 2, stderr: /no certificate in PEM form/ });
  t.match(await push('--ca', path('away')), { code: 2, stderr: /cannot be used \(ENOENT\)/ });
  t.match(await push('--ca', path('first.crt')), { code: 0, stdout: 'one\tuploaded\t1 slices\t0 pairs' });
});
