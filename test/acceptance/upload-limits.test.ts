import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, getJson } from '../fixtures/client.js';
import { childrenOf } from '../fixtures/command.js';
import { openBelow } from '../fixtures/open-files.js';
import { checkProblem } from '../fixtures/problem.js';
import { type RawConnection, rawConnection } from '../fixtures/raw-http.js';
import { imageFile, squareContour } from '../fixtures/study-folder.js';
import { type Files, upload } from '../fixtures/upload.js';
import { type ZipEntry, zipFile } from '../fixtures/zip-file.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const server = await startTestServer(t, temporaryFolder(t), {
  UPLOAD_BYTES: '256KiB',
  UPLOAD_FILES: '8',
  UPLOADS: '2',
  ZIP_BYTES: '32MiB',
});
await server.ready();
const { url } = server;
const GOOD: Files = { '1.dcm': imageFile(), '1.txt': squareContour(2, 9) };

function leftovers({ config }: TestServer = server): string[] {
  return [
    ...readdirSync(join(config.state, 'uploads', 'incoming')),
    ...readdirSync(join(config.state, 'uploads', 'studies')),
  ];
}

/** Checks that a test left nothing behind, and that the service goes on for others. */
async function serves(t: Test): Promise<void> {
  const answer = await upload(`${url}/v1/masks`, GOOD);
  t.equal(answer.status, 200, 'others are served');
  t.equal((await ask(`${url}/readyz`)).status, 200);
  // A sender that left is noticed when the service reads on.
  while (leftovers().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  // A file that a process holds open keeps its disk space when it is deleted.
  const uploads = join(server.config.state, 'uploads');
  for (const pid of [process.pid, ...childrenOf(process.pid)])
    while (openBelow(pid, uploads).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const { studies } = await getJson<{ studies: unknown[] }>(`${url}/v1/studies`);
  t.same(studies, []);
}

async function refuse(t: Test, files: Files, status: number, code: string): Promise<string> {
  const details = [];
  for (const path of ['/v1/studies', '/v1/masks'])
    details.push(checkProblem(t, await upload(url + path, files), status, code).detail);
  t.equal(details[0], details[1]);
  return details[0]!;
}

const zipped = (...entries: ZipEntry[]): Files => ({ 'a.zip': zipFile(entries) });
const image = { name: '1.dcm', content: imageFile() };

t.test('names that are no relative paths are refused, in parts and in zips', async (t) => {
  for (const name of [
    '../1.dcm',
    '/etc/passwd',
    'a/../../b.dcm',
    'C:\\1.dcm',
    '..\\1.dcm',
    'a\u0000b',
    'x'.repeat(1025),
  ]) {
    const raw = await rawConnection(t, url);
    sendForm(raw, [part(name, 'text')]);
    const { status, body } = await raw.answer();
    t.equal(status, 400, JSON.stringify(name.slice(0, 20)));
    t.equal(JSON.parse(body.toString()).code, 'SLF_UPLOAD_NAME');
    raw.socket.destroy();
  }
  for (const name of ['../1.dcm', '/1.dcm', 'a/../../1.dcm', 'C:/1.dcm', 'a\\..\\..\\1.dcm'])
    t.match(await refuse(t, zipped({ name, content: 'x' }), 422, 'SLF_ZIP'), /relative path/, name);
  await serves(t);
});

t.test('two files of one name are refused, two parts of one field are not', async (t) => {
  const form = new FormData();
  form.append('a', new Blob([imageFile()]), '1.dcm');
  form.append('b', new Blob([imageFile(5)]), './1.dcm');
  const answer = await fetch(`${url}/v1/masks`, { method: 'POST', body: form });
  t.match(await answer.json(), { status: 400, code: 'SLF_UPLOAD_NAME', detail: /filename=/ });
  t.match(await refuse(t, zipped(image, image), 422, 'SLF_ZIP'), /one name/);
  const raw = await rawConnection(t, url);
  // U+00FC and U+00E4 in Latin-1.
  const body = Buffer.from(`${part('\u00fc.dcm', 'x')}${part('\u00e4.dcm', 'x')}--b--\r\n`, 'latin1');
  raw.socket.write(head({ 'Content-Length': String(body.length) }));
  raw.socket.write(body);
  t.match(JSON.parse(String((await raw.answer()).body)), { code: 'SLF_UPLOAD_NAME', detail: /no UTF-8/ });
  await serves(t);
});

t.test('a zip with links, devices, secrets or other kinds of compression is refused', async (t) => {
  t.match(await refuse(t, zipped({ ...image, mode: 0o120777 }), 422, 'SLF_ZIP'), /link/);
  t.match(await refuse(t, zipped({ ...image, mode: 0o020666 }), 422, 'SLF_ZIP'), /device/);
  t.match(await refuse(t, zipped({ ...image, flags: 1, deflate: true }), 422, 'SLF_ZIP'), /encrypted/);
  t.match(await refuse(t, zipped({ ...image, method: 12 }), 422, 'SLF_ZIP'), /compressed/);
  t.match(await refuse(t, { 'a.zip': zipFile([image]).subarray(0, -30) }, 422, 'SLF_ZIP'), /damaged/);
  t.match(await refuse(t, zipped({ ...image, crc: 1 }), 422, 'SLF_ZIP'), /checksum/);
  t.match(
    await refuse(t, { ...zipped(image), ...{ 'b.zip': zipFile([image]) } }, 422, 'SLF_ZIP'),
    /2 files named .zip/,
  );
  await serves(t);
});

t.test('a zip that is a bomb ends at the limit, whatever it says of itself', async (t) => {
  const zeros = new Uint8Array(17 * MIB);
  const bomb = { name: 'a', content: zeros, deflate: true };
  t.match(await refuse(t, zipped(bomb), 413, 'SLF_TOO_LARGE'), /20 times its size/);
  t.match(
    await refuse(t, zipped({ ...bomb, sizeBytes: 10 }), 422, 'SLF_ZIP'),
    /damaged/,
    'a size that is a lie',
  );
  const shared = Array.from({ length: 6 }, (_, at) => ({ ...bomb, name: `${at}`, sharesBytesOf: 0 }));
  t.match(await refuse(t, zipped(bomb, ...shared.slice(1)), 422, 'SLF_ZIP'), /share their bytes/);
  const many = Array.from({ length: 9 }, (_, at) => ({ name: `${at}.dcm`, content: 'x' }));
  t.match(await refuse(t, zipped(...many), 413, 'SLF_TOO_LARGE'), /8 files/);
  const folders = Array.from({ length: 1100 }, (_, at) => ({ name: `f${at}/`, content: '', mode: 0o040755 }));
  t.match(await refuse(t, zipped(...folders), 413, 'SLF_TOO_LARGE'), /files/);
  const nested = { name: 'inner.zip', content: zipFile([bomb]) };
  const answer = await upload(
    `${url}/v1/masks`,
    zipped(image, { name: '1.txt', content: squareContour(1, 4) }, nested),
  );
  t.equal(answer.status, 200);
  t.match(answer.body.toString('latin1'), /it is a zip that is not opened/);
  await serves(t);
});

t.test('an upload ends at its limits, also where it says nothing of its size', async (t) => {
  t.match(await refuse(t, { a: new Uint8Array(300 * KIB) }, 413, 'SLF_TOO_LARGE'), /262144 bytes/);
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`${at}.dcm`, 'x']));
  t.match(await refuse(t, many, 413, 'SLF_TOO_LARGE'), /8 files/);
  const hidden = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`.hidden${at}`, 'x']));
  await refuse(t, hidden, 413, 'SLF_TOO_LARGE');
  const raw = await rawConnection(t, url);
  raw.socket.write(head({ 'Transfer-Encoding': 'chunked' }));
  const first = part('endless', '');
  raw.socket.write(chunk(first.slice(0, -2)));
  const block = chunk('x'.repeat(64 * KIB));
  // A part that never ends is read to the limit, then answered.
  const feed = () => {
    while (raw.socket.writable && raw.socket.write(block));
    raw.socket.once('drain', feed);
  };
  feed();
  const { status } = await raw.answer();
  t.equal(status, 413);
  raw.socket.destroy();
  await serves(t);
});

t.test('a form with a thousand fields is refused, one with a few says that they carry nothing', async (t) => {
  const form = new FormData();
  for (let i = 0; i < 1000; i++) form.append(`f${i}`, 'text');
  const answer = await fetch(`${url}/v1/studies`, { method: 'POST', body: form });
  t.match(await answer.json(), { status: 413, code: 'SLF_TOO_LARGE', detail: /fields/ });
  const few = new FormData();
  for (const [name, content] of Object.entries(GOOD)) few.append('file', new Blob([content]), name);
  few.append('go', 'Send');
  const body = Buffer.from(
    await (await fetch(`${url}/v1/masks`, { method: 'POST', body: few })).arrayBuffer(),
  );
  t.match(body.toString('latin1'), /the text field \\+"go\\+" carries no file/);
  const empty = new FormData();
  empty.append('file', '1.dcm');
  const refused = await fetch(`${url}/v1/masks`, { method: 'POST', body: empty });
  t.match(await refused.json(), { status: 400, code: 'SLF_UPLOAD_EMPTY', detail: /@/ });
  const odd = new FormData();
  odd.append('__proto__', new Blob([imageFile()]), '1.dcm');
  const proto = await fetch(`${url}/v1/masks`, { method: 'POST', body: odd });
  t.match(await proto.json(), { status: 400, code: 'SLF_UPLOAD_FORM' });
  await serves(t);
});

t.test('what is no form of files is refused by name', async (t) => {
  const send = (headers: Record<string, string>, body = 'x', path = '/v1/studies') =>
    ask(url + path, { method: 'POST', headers, body });
  for (const type of [
    'application/json',
    'application/x-www-form-urlencoded',
    'application/zip',
    'text/plain',
    'multipart/mixed; boundary=a',
  ])
    t.match(
      checkProblem(t, await send({ 'content-type': type }), 415, 'SLF_MEDIA_TYPE'),
      { detail: /curl -F/ },
      type,
    );
  t.match(checkProblem(t, await send({ 'content-type': 'multipart/form-data' }), 400, 'SLF_UPLOAD_FORM'), {
    detail: /boundary/,
  });
  const bounded = { 'content-type': 'multipart/form-data; boundary=b' };
  checkProblem(t, await send(bounded, 'no form at all'), 400, 'SLF_UPLOAD_FORM');
  checkProblem(t, await send(bounded, '--b--\r\n'), 400, 'SLF_UPLOAD_EMPTY');
  checkProblem(t, await send(bounded, ''), 400, 'SLF_UPLOAD_EMPTY');
  const cut = `--b\r\n${part('1.dcm', 'half of it').split('\r\n').slice(1).join('\r\n')}`;
  checkProblem(t, await send(bounded, cut.slice(0, -8)), 400, 'SLF_UPLOAD_FORM');
  await serves(t);
});

t.test('a request whose length is told in two ways is refused', async (t) => {
  const raw = await rawConnection(t, url);
  raw.socket.write(head({ 'Content-Length': '10', 'Transfer-Encoding': 'chunked' }));
  raw.socket.write(chunk(part('1.dcm', 'x')));
  t.equal((await raw.answer()).status, 400);
  const two = await rawConnection(t, url);
  two.socket.write(
    `POST /v1/studies HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n`,
  );
  t.equal((await two.answer()).status, 400);
  await serves(t);
});

t.test('a sender that stops, or drips, is ended with 408 and leaves nothing', async (t) => {
  const strict = await startTestServer(t, temporaryFolder(t), { SLOW_SECONDS: '0.2' });
  await strict.ready();
  const raw = await rawConnection(t, strict.url);
  raw.socket.write(head({ 'Content-Length': '1000' }));
  raw.socket.write(part('1.dcm', '').slice(0, -2));
  const { status, body } = await raw.answer();
  t.equal(status, 408);
  t.equal(JSON.parse(body.toString()).code, 'SLF_TOO_SLOW');
  const drip = await rawConnection(t, strict.url);
  drip.socket.write(head({ 'Transfer-Encoding': 'chunked' }));
  drip.socket.write(chunk(part('1.dcm', '').slice(0, -2)));
  const timer = setInterval(() => drip.socket.write(chunk('x')), 20);
  t.equal((await drip.answer()).status, 408);
  clearInterval(timer);
  const json = await rawConnection(t, strict.url);
  json.socket.write(
    'POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{',
  );
  t.equal((await json.answer()).status, 408, 'of any kind of body');
  for (const { socket } of [raw, drip, json]) socket.destroy();
  while (leftovers(strict).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal((await ask(`${strict.url}/livez`)).status, 200);
});

t.test('only so many uploads are under way at a time; a sender that leaves frees its place', async (t) => {
  const senders = [];
  for (let i = 0; i < 2; i++) {
    const raw = await rawConnection(t, url);
    raw.socket.write(head({ 'Content-Length': '100000' }));
    raw.socket.write(part('1.dcm', 'x'.repeat(5000)).slice(0, -2));
    senders.push(raw);
  }
  while (leftovers().length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  checkProblem(t, await upload(`${url}/v1/masks`, GOOD), 503, 'SLF_UPLOADS_BUSY');
  t.equal((await ask(`${url}/v1/studies`)).status, 200, 'other calls go on');
  for (const { socket } of senders) socket.destroy();
  while (leftovers().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await serves(t);
});

/** Whether a program of the system does its work; false where it is missing or not allowed. */
function does(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const STATE = temporaryFolder(t);
const disk = join(STATE, 'uploads');
mkdirSync(disk);
const mounted = does('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk);
t.teardown(() => mounted && does('umount', '-l', disk));

t.test(
  'a full disk is a 503, and what did fit is gone again',
  { skip: !mounted && 'there is no small disk to fill: mounting a tmpfs is not allowed here' },
  async (t) => {
    const full = await startTestServer(t, temporaryFolder(t), { STATE });
    await full.ready();
    const large = { ...GOOD, '2.dcm': new Uint8Array(2 * MIB) };
    for (const path of ['/v1/studies', '/v1/masks'])
      checkProblem(t, await upload(full.url + path, large), 503, 'SLF_ROOM');
    const packed = zipped({ name: '2.dcm', content: new Uint8Array(2 * MIB), deflate: true });
    checkProblem(t, await upload(`${full.url}/v1/studies`, packed), 503, 'SLF_ROOM');
    t.same(leftovers(full), []);
    t.equal((await upload(`${full.url}/v1/studies`, GOOD)).status, 201, 'a small one fits');
  },
);

function head(headers: Record<string, string>): string {
  const all = { Host: 'a', 'Content-Type': 'multipart/form-data; boundary=b', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /v1/studies HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A part of a form with its boundary before it. */
function part(name: string, content: string): string {
  return `--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\nContent-Type: application/dicom\r\n\r\n${content}\r\n`;
}

function chunk(text: string): string {
  return `${Buffer.byteLength(text, 'latin1').toString(16)}\r\n${text}\r\n`;
}

function sendForm({ socket }: RawConnection, parts: readonly string[]): void {
  const body = Buffer.from(`${parts.join('')}--b--\r\n`);
  socket.write(head({ 'Content-Length': String(body.length) }));
  socket.write(body);
}
