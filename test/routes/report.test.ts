import t from 'tap';
import { pairIdsOf } from '../fixtures/batch.js';
import { ask, getJson, openSession } from '../fixtures/client.js';
import { runCommand } from '../fixtures/command.js';
import { openFeed } from '../fixtures/feed.js';
import { heartFiles, heartImage, radiusOf, round } from '../fixtures/heart-folder.js';
import { refused } from '../fixtures/problem.js';
import { segmentationFile } from '../fixtures/segmentation-file.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';

interface Report {
  readonly pairs: number;
  readonly findings: readonly {
    readonly code: string;
    readonly pair: string;
    readonly structure: string | null;
    readonly value: number | null;
    readonly threshold: number | null;
    readonly detail: string;
    readonly overlay: string;
  }[];
  readonly next: string | null;
}

const codesOf = (report: Report, pair: string) =>
  report.findings
    .filter((finding) => finding.pair === pair)
    .map(({ structure, code }) => `${structure} ${code}`);

/** Each of these has its own fault. */
const FAULTS: Readonly<Record<string, string>> = {
  'i/5': round(radiusOf('i', 5), 40),
  'i/6': '32 22\n42 32\n32 42\n22 32\n',
  'i/7': round(1, 32, 32),
  'i/8': round(radiusOf('i', 8), 32, 32).replaceAll(/.+\n/g, '$&$&'),
  'i/9': round(radiusOf('i', 10)),
  'i/11': '-9 22\n42 42\n42 22\n-9 42\n',
  'i/2': round(4),
  'o/3': round(radiusOf('o', 3), 40),
};

const folder = temporaryFolder(t);
writeFiles(folder, heartFiles('HEART', 12, FAULTS));
const server = await startTestServer(t, folder);
await server.ready();
const { url } = server;
const whole = await getJson<Report>(`${url}/v1/report`);

t.test('good contours have no finding', async (t) => {
  t.equal(whole.pairs, 12);
  t.equal(whole.next, null);
  for (const number of [1, 4, 12]) t.strictSame(codesOf(whole, `HEART/${number}`), [], String(number));
});

t.test('each fault has its code, with what was measured and what it was compared with', async (t) => {
  const has = (number: number, ...codes: string[]) => {
    const found = codesOf(whole, `HEART/${number}`);
    for (const code of codes) t.ok(found.includes(code), `${number} ${code}: ${found.join(', ')}`);
  };
  has(2, 'o LIKE_INNER', 'i AREA_JUMP');
  has(3, 'i NOT_CONTAINED', 'i OFF_CENTRE');
  has(5, 'i LIKE_SURROUNDINGS', 'i OFF_EDGE', 'i CENTRE_JUMP');
  has(6, 'i FEW_POINTS');
  has(7, 'i TINY', 'i AREA_JUMP');
  has(8, 'i DUPLICATE_POINTS');
  has(9, 'i IDENTICAL_CONTOUR');
  has(10, 'i IDENTICAL_CONTOUR');
  has(11, 'i OUTSIDE_IMAGE', 'i SELF_INTERSECTING');
  for (const { value, threshold, detail } of whole.findings) {
    t.type(value, 'number');
    t.type(threshold, 'number');
    t.ok(detail.length > 0);
  }
  t.match(
    whole.findings.filter(({ pair, code }) => pair === 'HEART/6' && code === 'FEW_POINTS'),
    [{ structure: 'i', value: 4, threshold: 8 }],
  );
  const [same] = whole.findings.filter(({ code }) => code === 'IDENTICAL_CONTOUR');
  t.equal(same?.detail, 'the same as HEART/10 i');
});

t.test('a finding links to its picture', async (t) => {
  const { overlay } = whole.findings[0]!;
  const picture = await ask(`${url}${overlay}`);
  t.equal(picture.headers.get('content-type'), 'image/png');
});

t.test('a study has its own report, and a second one needs no loader', async (t) => {
  const tasks = () => server.service.pool.readyCount;
  t.strictSame(await getJson<Report>(`${url}/v1/studies/HEART/report`), whole);
  t.ok(tasks() > 0);
  const { db } = server.service;
  const measured = db.prepare('SELECT count(*) AS slices FROM measure').get() as { slices: number };
  t.equal(measured.slices, 12, 'each slice once');
  await refused(t, `${url}/v1/studies/NOBODY/report`, {}, 404, 'SLF_STUDY_UNKNOWN');
});

t.test('findings come in pages where asked for', async (t) => {
  const found: Report['findings'][number][] = [];
  let next: string | null = '0';
  for (let n = 0; next !== null && n < 100; n++) {
    const page: Report = await getJson<Report>(`${url}/v1/report?limit=3&after=${next}`);
    t.ok(page.findings.length <= 3);
    found.push(...page.findings);
    next = page.next;
  }
  t.strictSame(found, whole.findings);
  await refused(t, `${url}/v1/report?after=x`, {}, 400, 'SLF_INVALID');
  await refused(t, `${url}/v1/report?limit=0`, {}, 400, 'SLF_INVALID');
});

const SPEC = { structures: ['i'], shuffle: false, batchSize: 20 };

t.test('exclude leaves out the pairs that have one of the codes', async (t) => {
  const feed = await openFeed(url, { ...SPEC, exclude: ['TINY', 'FEW_POINTS'] });
  t.strictSame(feed.opened.spec.exclude, ['FEW_POINTS', 'TINY']);
  const ids = pairIdsOf(await feed.batch(0));
  t.equal(feed.opened.pairs, 9);
  t.strictSame(
    [ids.includes('HEART/6'), ids.includes('HEART/7'), ids.includes('HEART/5')],
    [false, false, true],
  );
  const again = await openSession(url, { ...SPEC, exclude: ['FEW_POINTS', 'TINY', 'TINY'] });
  t.equal(again.snapshot, feed.opened.snapshot, 'the same request, the same snapshot');
  const all = await openSession(url, SPEC);
  t.not(all.snapshot, again.snapshot);
  t.equal(all.pairs, 12);
  const others = ['OUTSIDE_IMAGE', 'IDENTICAL_CONTOUR', 'NOT_CONTAINED', 'LIKE_SURROUNDINGS'];
  const few = await openSession(url, { ...SPEC, exclude: others });
  t.equal(few.pairs, 5);
});

t.test('what was left out stays left out: the snapshot says it, whatever a report says later', async (t) => {
  const first = await openSession(url, { ...SPEC, exclude: ['TINY'] });
  const spec = { structures: ['i'], snapshot: first.snapshot };
  const again = await openSession(url, spec);
  t.equal(again.pairs, 11);
  t.strictSame(again.spec.exclude, ['TINY']);
  t.equal((await openSession(url, { ...spec, exclude: ['TINY'] })).pairs, 11);
  const other = { method: 'POST', body: { ...spec, exclude: ['FEW_POINTS'] } };
  t.match(await refused(t, `${url}/v1/sessions`, other, 422, 'SLF_SPEC_CONFLICT'), { field: 'exclude' });
  const put = { method: 'PUT', body: { ...SPEC, exclude: ['TINY'] } };
  t.strictSame(
    [
      (await ask(`${url}/v1/sessions/named`, put)).status,
      (await ask(`${url}/v1/sessions/named`, put)).status,
    ],
    [201, 200],
  );
});

t.test('a code that is none is refused with those that are; nothing left is no session', async (t) => {
  const body = { ...SPEC, exclude: ['UGLY'] };
  const problem = await refused(t, `${url}/v1/sessions`, { method: 'POST', body }, 400, 'SLF_INVALID');
  t.match(problem.detail, /OUTSIDE_IMAGE, .*LIKE_SURROUNDINGS/);
});

t.test('thresholds and containments are settings', async (t) => {
  const strict = await startTestServer(t, folder, {
    QUALITY_LIMITS: 'TINY=0,FEW_POINTS=41,IDENTICAL_CONTOUR=off',
    QUALITY_INSIDE: 'o:i',
  });
  await strict.ready();
  const { findings } = await getJson<Report>(`${strict.url}/v1/report`);
  const codes = new Set(findings.map(({ code }) => code));
  t.notOk(codes.has('TINY') || codes.has('IDENTICAL_CONTOUR'));
  t.equal(findings.filter(({ code }) => code === 'FEW_POINTS').length, 14);
  t.ok(
    findings.some(
      ({ pair, structure, code }) => pair === 'HEART/1' && structure === 'o' && code === 'NOT_CONTAINED',
    ),
  );
});

t.test('an image that went away, or that cannot be decoded, is told of', async (t) => {
  const data = temporaryFolder(t);
  const files = heartFiles('GONE', 4);
  const path = 'dicoms/GONE/2.dcm';
  writeFiles(data, files);
  const mended = await startTestServer(t, data);
  await mended.ready();
  const image = files[path] as Uint8Array;
  writeFiles(data, { [path]: image.subarray(0, image.length - 100) });
  const { findings } = await getJson<Report>(`${mended.url}/v1/report`);
  t.match(
    findings.filter(({ pair }) => pair === 'GONE/2'),
    [{ code: 'NOT_MEASURED', structure: null, value: null, threshold: null, detail: /changed/ }],
  );
  writeFiles(data, { [path]: image });
  await ask(`${mended.url}/v1/scan`, { method: 'POST' });
  t.strictSame((await getJson<Report>(`${mended.url}/v1/report`)).findings, []);
});

t.test('report prints a table for people, or the JSON of the call, and ends with 0, 1 or 2', async (t) => {
  const data = temporaryFolder(t);
  writeFiles(data, heartFiles('HEART', 4, { 'i/2': round(1) }));
  const args = ['report', '--data', data, '--state', temporaryFolder(t)];
  const [table, taken, wrong, without] = await Promise.all([
    runCommand(t, args),
    runCommand(t, ['report', '--data', folder, '--state', server.config.state]),
    runCommand(t, ['report', '--data', data, '--quality-limits', 'TINI=2']),
    runCommand(t, ['report']),
  ]);
  t.equal(table.code, 0, table.stderr);
  const [head = '', row = ''] = table.stdout.split('\n');
  t.match(head, /^pair +structure +code +value +threshold +detail$/);
  t.match(row, /^HEART\/2 +i +TINY +2 +10 +the mask has 2 pixels$/);
  t.equal(row.indexOf('the mask'), head.indexOf('detail'), 'columns stand under each other');
  t.match(
    table.stdout,
    /\n\nstudy +pairs +findings +codes\nHEART +1 +\d {2}[A-Z_]+ \d.*\bTINY 1\b.*\n\n/,
    'a summary by study',
  );
  t.match(table.stdout, /\n4 pairs, 1 with findings, \d findings\n$/);
  t.equal(taken.code, 1);
  t.match(
    taken.stderr,
    /another slicefeed uses the state folder .*: stop it, or name another with --state, or ask the running service: GET \/v1\/report/,
  );
  t.strictSame([wrong.code, without.code], [2, 2]);
  t.match(wrong.stderr, /QUALITY_LIMITS has a code "TINI" that is not one of/);
  const json = await runCommand(t, [...args, '--json']);
  t.equal(json.code, 0, json.stderr);
  t.match(JSON.parse(json.stdout), {
    pairs: 4,
    findings: [{ pair: 'HEART/2', code: 'TINY', value: 2 }],
    studies: [{ study: 'HEART', flagged: 1, codes: { TINY: 1 } }],
    next: null,
  });
});

t.test(
  'contours of structure sets and masks of segmentations are measured as text contours are',
  async (t) => {
    const data = temporaryFolder(t);
    const numbers = [1, 2, 3, 4, 5, 6];
    const ids = { studyUid: '1.2.3', frameOfReference: '1.2.4' };
    const uid = (number: number) => `1.2.5.${number}`;
    const image = (number: number) =>
      heartImage(number, {
        studyUid: ids.studyUid,
        seriesUid: '1.2.6',
        sopInstanceUid: uid(number),
        spacingMm: [1, 1],
        extra: [{ tag: '00200052', vr: 'UI', value: ids.frameOfReference }],
      });
    /** Of the fourth slice both are 12 pixels aside. */
    const aside = (number: number) => (number === 4 ? 44 : 32);
    const ring = (number: number) =>
      round(radiusOf('i', number), aside(number), 32)
        .trim()
        .split('\n')
        .flatMap((line) => [...line.split(' ').map(Number), 8 * number]);
    const disc = (number: number) =>
      Array.from({ length: 64 * 64 }, (_, at) =>
        Number(Math.hypot((at % 64) - aside(number), Math.floor(at / 64) - 32) <= radiusOf('i', number)),
      );
    writeFiles(data, {
      ...Object.fromEntries(numbers.map((number) => [`${number}.dcm`, image(number)])),
      'rt.dcm': structureSetFile({
        ...ids,
        rois: [
          {
            name: 'ring',
            contours: numbers.map((number) => ({ points: ring(number), images: [uid(number)] })),
          },
        ],
      }),
      'seg.dcm': segmentationFile({
        ...ids,
        rows: 64,
        columns: 64,
        orientation: [1, 0, 0, 0, 1, 0],
        spacingMm: [1, 1],
        segments: [{ label: 'disc' }],
        frames: numbers.map((number) => ({ values: disc(number), position: [0, 0, 8 * number] })),
      }),
    });
    const several = await startTestServer(t, data);
    await several.ready();
    const report = await getJson<Report>(`${several.url}/v1/report`);
    t.equal(report.pairs, 6);
    t.strictSame([...new Set(report.findings.map(({ pair }) => pair))], [`1.2.3/${uid(4)}`]);
    const codes = codesOf(report, `1.2.3/${uid(4)}`);
    for (const structure of ['ring', 'disc'])
      for (const code of ['LIKE_SURROUNDINGS', 'OFF_EDGE', 'CENTRE_JUMP'])
        t.ok(codes.includes(`${structure} ${code}`), `${structure} ${code}: ${codes.join(', ')}`);
  },
);

const SUNNYBROOK = sharedData('sunnybrook');

t.test(
  'contours that experts drew have no finding',
  { skip: SUNNYBROOK === null && 'sunnybrook is missing: set SLICEFEED_TEST_DATA' },
  async (t) => {
    const real = await startTestServer(t, SUNNYBROOK!, { LOADERS: '2' });
    await real.ready();
    const report = await getJson<Report>(`${real.url}/v1/report`);
    t.equal(report.pairs, 56);
    t.strictSame(report.findings, []);
  },
);
