import { createHmac } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type ImageOptions, imageElements } from '../src/demo/image-elements.js';
import { EXPLICIT_LITTLE, writePart10 } from '../src/demo/part10.js';
import { ask, jsonOf } from './fixtures/client.js';
import { startCommand } from './fixtures/command.js';
import { contourPath, imagePath, linkTable, squareContour, writeFiles } from './fixtures/study-folder.js';
import { startTestServer, type TestServer, temporaryFolder } from './helper.js';

const PERSON = 'Kowalczyk^Wieslawa';
/** What the files say of persons; none of it may leave in an answer or the log. */
const SECRETS = [
  'Kowalczyk',
  'Wieslawa',
  'ZX81-4711',
  '19430217',
  'Klinikum Nirgendwo',
  'Strangeways',
  'private remark',
  'ACC-90210',
];
const PERSONAL = [
  { tag: '00080020', vr: 'DA', value: '19430217' },
  { tag: '00080050', vr: 'SH', value: 'ACC-90210' },
  { tag: '00080080', vr: 'LO', value: 'Klinikum Nirgendwo' },
  { tag: '00080090', vr: 'PN', value: 'Strangeways^Dr' },
  { tag: '00081030', vr: 'LO', value: 'private remark on Kowalczyk' },
  { tag: '00100030', vr: 'DA', value: '19430217' },
  { tag: '00104000', vr: 'LT', value: 'private remark on Kowalczyk' },
];
const pixels = Uint16Array.from({ length: 256 }, (_, at) => at);

function image(changes: Partial<ImageOptions> = {}, transferSyntax = EXPLICIT_LITTLE): Uint8Array {
  const own = { rows: 16, columns: 16, pixels, modality: 'MR', patientId: 'ZX81-4711', patientName: PERSON };
  const extra = [...PERSONAL, ...(changes.extra ?? [])];
  const options = { ...own, seed: 'privacy', ...changes, extra };
  return writePart10(imageElements(options), { transferSyntax });
}

/** Files with a person's name where something else belongs, each broken in a way of its own. */
function misplaced(): Record<string, string | Uint8Array> {
  const texts = {
    numberOfFrames: ['00280008', 'IS'],
    spacing: ['00280030', 'DS'],
    slope: ['00281053', 'DS'],
    window: ['00281050', 'DS'],
    photometric: ['00280004', 'CS'],
    modality: ['00080060', 'CS'],
    number: ['00200013', 'IS'],
    position: ['00200032', 'DS'],
    series: ['0020000e', 'UI'],
    instance: ['00080018', 'UI'],
    characters: ['00080005', 'CS'],
  } as const;
  const files = Object.values(texts).map(([tag, vr], at) => [
    imagePath('A', 10 + at),
    image({ extra: [{ tag, vr, value: 'Kowalczyk' }], seed: `misplaced ${at}` }),
  ]);
  const frames = [[Buffer.from('Kowalczyk, Wieslawa: a private remark')]];
  const compressed = (transferSyntax: string) => image({ pixels: { frames } }, transferSyntax);
  const whole = image();
  return {
    ...Object.fromEntries(files),
    [imagePath('A', 30)]: `Dear ${PERSON}, this is no image`,
    [imagePath('A', 31)]: image({}, 'Kowalczyk'),
    [imagePath('A', 32)]: whole.subarray(0, 600),
    [imagePath('A', 33)]: whole.subarray(0, whole.length - 100),
    [imagePath('A', 34)]: compressed('1.2.840.10008.1.2.4.90'),
    [imagePath('A', 35)]: compressed('1.2.840.10008.1.2.4.80'),
    [imagePath('A', 36)]: compressed('1.2.840.10008.1.2.4.70'),
    [imagePath('A', 37)]: compressed('1.2.840.10008.1.2.5'),
    [imagePath('A', 38)]: compressed('1.2.840.10008.1.2.4.50'),
    [contourPath('a', 30)]: squareContour(2, 9),
    [contourPath('a', 31)]: `2 2\n9 2\n${PERSON} 9\n2 9\n`,
  };
}

const folder = temporaryFolder(t);
const contours = [...Array(11).keys()].map((at) => 10 + at).concat([1, 2, 34, 35, 36, 37, 38]);
writeFiles(folder, {
  'link.csv': `${linkTable(['A', 'a'])}\nKowalczyk,\n"Kowalczyk`,
  [imagePath('A', 1)]: image(),
  [imagePath('A', 2)]: image({ seed: 'privacy 2' }),
  ...misplaced(),
  ...Object.fromEntries(contours.map((n) => [contourPath('a', n), squareContour(2, 9)])),
});

interface Told {
  readonly call: string;
  readonly text: string;
}

/** Asks for everything that there is to ask of a service over the folder; every answer with its headers. */
async function askAll(server: TestServer): Promise<Told[]> {
  const told: Told[] = [];
  const call = async (path: string, method = 'GET', body?: unknown) => {
    const answer = await ask(server.url + path, { method, ...(body === undefined ? {} : { body }) });
    const head = JSON.stringify([...answer.headers]);
    told.push({ call: `${method} ${path} ${answer.status}`, text: head + answer.body.toString('latin1') });
    return answer;
  };
  const send = async (path: string, files: Readonly<Record<string, string | Uint8Array>>) => {
    const form = new FormData();
    for (const [name, bytes] of Object.entries(files)) form.append('file', new Blob([bytes]), name);
    const answer = await fetch(server.url + path, { method: 'POST', body: form });
    const head = JSON.stringify([...answer.headers]);
    told.push({ call: `POST ${path} ${answer.status}`, text: head + (await answer.text()) });
  };
  for (const path of [
    '/livez',
    '/readyz',
    '/openapi.json',
    '/docs',
    '/v1/studies',
    '/v1/report',
    '/v1/nothing',
  ])
    await call(path);
  const { studies } = jsonOf<{ studies: { id: string }[] }>(await call('/v1/studies'));
  for (const { id } of studies) {
    const study = `/v1/studies/${id}`;
    for (const path of ['', '/report', '/masks', '/masks?batchSize=1', '/pairs/none'])
      await call(study + path);
    const { pairs } = jsonOf<{ pairs: { slice: string }[] }>(await call(`${study}/pairs?all=1`));
    for (const { slice } of pairs)
      for (const path of ['?format=npz', '/overlay.png']) await call(`${study}/pairs/${slice}${path}`);
    await call(`${study}/pairs/1?values=windowed`);
  }
  for (const onError of ['fail', 'mask']) {
    const opened = await call('/v1/sessions', 'POST', {
      batchSize: 1,
      onError,
      epochs: 1,
      shape: { fit: 'pad' },
    });
    if (opened.status !== 201) continue;
    const { id, steps } = jsonOf<{ id: string; steps: number }>(opened, 201);
    for (let step = 0; step < steps; step++) await call(`/v1/sessions/${id}/batches/${step}`);
    for (const path of ['', '/stream', '/audit?epoch=0', '/batches/0/overlay.png', '/batches/x'])
      await call(`/v1/sessions/${id}${path}`);
  }
  const good = { '1.dcm': image(), [contourPath('a', 1)]: squareContour(2, 9) };
  await send('/v1/masks', good);
  await send('/v1/masks', { ...good, ...misplaced() });
  await send('/v1/studies', { ...good, 'note.txt': `on ${PERSON}` });
  await send('/v1/studies', misplaced());
  await call('/v1/scan', 'POST');
  for (const path of ['/v1/quarantine', '/v1/sessions', '/metrics']) await call(path);
  return told;
}

t.test('no value of an element leaves in an answer, a header, a metric or the log', async (t) => {
  const server = await startTestServer(t, folder, { LOG_LEVEL: 'trace' });
  await server.ready();
  const told = await askAll(server);
  told.push({ call: 'the log', text: server.log.map((line) => JSON.stringify(line)).join('\n') });
  t.ok(told.some(({ call }) => call === 'GET /v1/studies/A/pairs/1?values=windowed 200'));
  t.ok(
    told.some(({ call }) => / 4(04|22)$/.test(call)),
    'errors are among them',
  );
  t.ok(
    server.log.some(({ level }) => level === 40),
    'and warnings',
  );
  for (const { call, text } of told) {
    const found = SECRETS.filter((secret) => text.toLowerCase().includes(secret.toLowerCase()));
    t.strictSame(found, [], call);
  }
  const codes = told.map(({ call }) => call).filter((call) => / 5\d\d$/.test(call) && !call.endsWith('501'));
  t.strictSame(codes, [], 'nothing of it is a fault of the service');
});

t.test('with LOG_STUDY_IDS=hash the log names studies, pairs and files by keyed hashes', async (t) => {
  const data = temporaryFolder(t);
  const study = 'Kowalczyk';
  writeFiles(data, {
    'link.csv': `${linkTable([study, 'original-folder'])}\nanother-folder,away\n`,
    [imagePath(study, 1)]: image(),
    [imagePath(study, 2)]: image().subarray(0, 600),
    [contourPath('original-folder', 1)]: squareContour(2, 9),
    [contourPath('unlinked-folder', 1)]: squareContour(2, 9),
  });
  const settings = { STATE: temporaryFolder(t), LOG_LEVEL: 'trace', LOG_STUDY_IDS: 'hash' } as const;
  const server = await startTestServer(t, data, settings);
  await server.ready();
  writeFiles(data, { [imagePath(study, 1)]: image({ rows: 8 }) });
  t.equal((await ask(`${server.url}/v1/studies/${study}/pairs/1`)).status, 409);
  const key = readFileSync(join(settings.STATE, 'log.key'), 'utf8').trim();
  const hashed = (text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, 16);
  const named = await server.logged(({ msg }) => msg === 'the study has problems');
  t.equal(named.study, hashed(study));
  const refused = await server.logged(({ code }) => code === 'SLF_SOURCE_CHANGED');
  t.match(refused, { pair: `${hashed(study)}/${hashed('1')}`, file: hashed(imagePath(study, 1)) });
  const text = JSON.stringify(server.log.filter(({ msg }) => msg !== 'slicefeed serves'));
  t.notMatch(text, /Kowalczyk|original-folder|another-folder|unlinked-folder|dicoms|contourfiles/);
  await server.close();
  const again = await startTestServer(t, data, settings);
  await again.ready();
  writeFiles(data, { [imagePath(study, 3)]: 'no image' });
  await ask(`${again.url}/v1/scan`, { method: 'POST' });
  t.match(await again.logged(({ msg }) => msg === 'the study has problems'), { study: hashed(study) });
});

/** Every file and folder below one, with its mode. */
function modesBelow(path: string): [string, string][] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry): [string, string][] => {
    const own = join(path, entry.name);
    const mode = (statSync(own).mode & 0o777).toString(8);
    return [[entry.name, mode], ...(entry.isDirectory() ? modesBelow(own) : [])];
  });
}

t.test('what the service writes is for its user alone, also where an earlier one was careless', async (t) => {
  const state = join(temporaryFolder(t), 'state');
  const args = ['serve', '--data', folder, '--state', state, '--port', '0', '--loaders', '1'];
  const start = async () => {
    const command = startCommand(t, args, { SLICEFEED_SPOOL: state, SLICEFEED_LOG_STUDY_IDS: 'hash' });
    const url = await command.serving();
    while (!(await fetch(`${url}/readyz`)).ok) await new Promise((resolve) => setTimeout(resolve, 20));
    return { command, url };
  };
  const first = await start();
  const form = new FormData();
  form.append('file', new Blob([image()]), '1.dcm');
  t.equal((await fetch(`${first.url}/v1/studies`, { method: 'POST', body: form })).status, 201);
  t.equal((await fetch(`${first.url}/v1/studies/A/pairs/1`)).status, 200);
  t.equal((statSync(state).mode & 0o777).toString(8), '700');
  const modes = modesBelow(state);
  for (const name of ['slicefeed.db', 'slicefeed.db-wal', 'slicefeed.db-shm', 'lock', 'log.key'])
    t.ok(
      modes.some(([found]) => found === name),
      name,
    );
  t.strictSame(
    modes.filter(([, mode]) => mode !== '600' && mode !== '700'),
    [],
  );
  first.command.kill('SIGTERM');
  await first.command.ended;
  chmodSync(join(state, 'slicefeed.db'), 0o644);
  chmodSync(state, 0o755);
  const second = await start();
  t.equal((statSync(join(state, 'slicefeed.db')).mode & 0o777).toString(8), '600');
  t.match(second.command.stderr(), /"others may look into the state folder"/);
});
