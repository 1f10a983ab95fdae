import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { decode as decodePng } from 'fast-png';
import t, { type Test } from 'tap';
import { SNAPSHOTS_KEPT } from '../src/catalog/prune.js';
import { DEFAULT_LIMITS } from '../src/core/dicom.js';
import { makePhantom, type PhantomTruth } from '../src/demo/phantom.js';
import { ERRORS } from '../src/errors.js';
import { imageFile, squareContour } from './fixtures/study-folder.js';
import { zipFile } from './fixtures/zip-file.js';
import { startTestServer, type TestServer, temporaryFolder } from './helper.js';
import { hasPython, PYTHON, python, withoutPython } from './python.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GENERATOR = join(ROOT, 'scripts', 'docs.mjs');
const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.tap']);
const PLACE = /(127\.0\.0\.1|localhost):8080/g;
const run = promisify(execFile);

const withoutNumpy = withoutPython('numpy', 'python3-numpy');
const withoutTorch = hasPython('torch') ? false : "Python's torch is missing: apt-get install python3-torch";
const withoutCurl =
  process.env.CI !== 'true' && spawnSync('curl', ['--version']).error
    ? 'curl is missing: apt-get install curl'
    : false;

/** Every file below a folder whose name ends in `ending`, relative to the project's root. */
function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : filesBelow(path, ending);
    return entry.name.endsWith(ending) ? [path] : [];
  });
}

function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

const DOCUMENTS = filesBelow('', '.md');
const WITH_TABLES = ['README.md', 'docs/operations.md', 'docs/quality.md'];

/** The code blocks of a language, without their fences. */
function codeBlocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, code]) => code ?? '',
  );
}

/** A heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** The relative links of a document that lead nowhere: to no file, or to no heading of it. */
function deadLinks(file: string, text: string): string[] {
  const prose = text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, '');
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? '');
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? file : relative(ROOT, join(ROOT, dirname(file), path));
    if (!existsSync(join(ROOT, target))) return true;
    const headings = [...readText(target).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      anchorOf(heading ?? ''),
    );
    return anchor !== undefined && !headings.includes(anchor);
  });
}

/** The first cell of each row of the tables below a heading, without its backticks. */
function firstCells(text: string, heading: string): string[] {
  const [, section = ''] = text.split(new RegExp(`^#+ ${heading}\\n`, 'm'));
  const [own = ''] = section.split(/^#+ /m);
  return [...own.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell]) => cell ?? '');
}

async function generate(...args: string[]): Promise<{ code: number; stderr: string }> {
  try {
    await run(process.execPath, [GENERATOR, ...args]);
    return { code: 0, stderr: '' };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, stderr };
  }
}

/** The documents that have tables, in a folder of their own. */
function copyDocuments(t: Test): string {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'docs'));
  for (const file of WITH_TABLES) cpSync(join(ROOT, file), join(folder, file));
  return folder;
}

t.test('the tables of the documents are those of the code', async (t) => {
  const folder = copyDocuments(t);
  t.same(await generate(folder), { code: 0, stderr: '' });
  for (const file of WITH_TABLES)
    t.equal(readFileSync(join(folder, file), 'utf8'), readText(file), `${file}: npm run docs writes it`);
});

t.test('a table that differs from the code is found', async (t) => {
  const folder = copyDocuments(t);
  const operations = join(folder, 'docs', 'operations.md');
  const changed = readText('docs/operations.md').replace('| `NOT_DICOM` | ', '| `NOT_DICOM` | Perhaps: ');
  writeFileSync(operations, changed);
  const { code, stderr } = await generate('--check', folder);
  t.equal(code, 1);
  t.match(stderr, 'docs/operations.md: the section problems is not what the code says');
  t.equal(readFileSync(operations, 'utf8'), changed, 'a check writes nothing');
});

t.test('every relative link leads to a file and to a heading of it', async (t) => {
  t.same(deadLinks('README.md', 'see [a](docs/nowhere.md), [b](#limits), [c](docs/operations.md#nothing)'), [
    'docs/nowhere.md',
    'docs/operations.md#nothing',
  ]);
  t.ok(DOCUMENTS.includes('src/wire/README.md'));
  for (const file of DOCUMENTS) t.same(deadLinks(file, readText(file)), [], file);
});

t.test('every file of the project that a document names is there', async (t) => {
  const named = (text: string) =>
    [...text.matchAll(/`((?:src|routes|test|scripts|docs|bench)\/[\w./-]*)`/g)].map(([, path]) => path ?? '');
  t.same(named('`src/a.ts` and `routes/`, not `/v1/scan`'), ['src/a.ts', 'routes/']);
  t.ok(named(readText('docs/architecture.md')).length > 40);
  for (const file of DOCUMENTS)
    t.same(
      named(readText(file)).filter((path) => !existsSync(join(ROOT, path))),
      [],
      file,
    );
});

t.test('every direct dependency has a line that says its licence, and no other package has', async (t) => {
  const manifest = JSON.parse(readText('package.json')) as Record<string, Record<string, string>>;
  const page = readText('docs/dependencies.md');
  for (const [heading, field] of [
    ['What the service runs on', 'dependencies'],
    ['What it is made with', 'devDependencies'],
  ] as const)
    t.same(firstCells(page, heading), Object.keys(manifest[field] ?? {}).sort(), field);
  for (const [, name, licence] of page.matchAll(/^\| `([^`]+)` \| ([^|]+) \| .+ \|$/gm))
    t.equal(JSON.parse(readText(`node_modules/${name}/package.json`)).license, licence, name);
});

t.test('every error has a line of advice, and no other code has', async (t) => {
  t.same(firstCells(readText('docs/operations.md'), 'Errors'), Object.keys(ERRORS));
});

t.test('the log lines of the documents are those of the source', async (t) => {
  const calls = /\blog\.(?:trace|debug|info|warn|error|fatal)\((.*?)\);/gs;
  const texts = [...filesBelow('src', '.ts'), ...filesBelow('routes', '.ts')].flatMap((file) =>
    [...readText(file).matchAll(calls)].flatMap(([, args = '']) => {
      // Behind the fields: one text, or two to choose from; a name alone is the detail of a problem.
      const [, last = ''] = /(?:^|[,}]\s*)([^,{}]*?),?\s*$/s.exec(args) ?? [];
      return [...last.matchAll(/'([^']+)'/g)].map(([, text]) => text ?? '');
    }),
  );
  const listening = /listenTextResolver: \(address\) => `([\w ]+) \$/.exec(readText('src/server.ts'))?.[1];
  t.same(
    new Set(firstCells(readText('docs/operations.md'), 'Log')),
    new Set([listening, ...texts]),
    'docs/operations.md explains each, and none that is gone',
  );
});

t.test('the limits of the README are those of the code', async (t) => {
  const limits = [DEFAULT_LIMITS.maxSide, DEFAULT_LIMITS.maxFrames, DEFAULT_LIMITS.nesting];
  const row = `| rows, columns; frames; nested sequences | ${limits.map((n) => n.toLocaleString('en-US')).join('; ')} |`;
  t.ok(readText('README.md').includes(row), row);
  const kept = `| the ${SNAPSHOTS_KEPT.toLocaleString('en-US')} that were in use last, for`;
  t.ok(readText('README.md').includes(kept), kept);
});

async function servePhantom(t: Test): Promise<{ server: TestServer; truth: PhantomTruth }> {
  const truth = await makePhantom(temporaryFolder(t), {
    studies: 1,
    slices: 3,
    phases: 4,
    rows: 32,
    columns: 48,
  });
  const server = await startTestServer(t, truth.folder);
  await server.ready();
  return { server, truth };
}

/** Types the blocks of a document that talk to the service, those of uploads or the others; answers what they printed. */
async function typeCurl(
  t: Test,
  server: TestServer,
  file: string,
  { uploads = false, folder = temporaryFolder(t) } = {},
): Promise<{ folder: string; output: string }> {
  const blocks = codeBlocks(readText(file), 'sh').filter(
    (block) => block.match(PLACE) && block.includes('curl') && /curl -F/.test(block) === uploads,
  );
  t.ok(blocks.length > 0, `${file} has curl lines`);
  let output = '';
  for (const block of blocks) {
    const script = block.replaceAll(PLACE, new URL(server.url).host).replaceAll('python3', PYTHON);
    output += (await run('bash', ['-euc', script], { cwd: folder })).stdout;
  }
  t.notMatch(output, /SLF_/, 'no call is refused');
  return { folder, output };
}

t.test(
  'the curl lines of the README open a session and fetch its first batch',
  { skip: withoutCurl },
  async (t) => {
    const { server } = await servePhantom(t);
    const { folder, output } = await typeCurl(t, server, 'README.md');
    t.match(JSON.parse(output), { id: 'first', spec: { batchSize: 4 } });
    const answer = await fetch(`${server.url}/v1/sessions/first/batches/0`);
    t.same(readFileSync(join(folder, 'batch.safetensors')), Buffer.from(await answer.arrayBuffer()));
  },
);

t.test(
  'the lines of the README about files that are sent make a mask for NumPy and an overlay',
  { skip: withoutCurl || withoutNumpy },
  async (t) => {
    const { server } = await servePhantom(t);
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, '48.dcm'), imageFile());
    writeFileSync(join(folder, 'IM-0001-0048-icontour-manual.txt'), squareContour(2, 9));
    const entries = [
      { name: '48.dcm', content: imageFile() },
      { name: '48.txt', content: squareContour(2, 9) },
    ];
    writeFileSync(join(folder, 'study.zip'), zipFile(entries));
    const { output } = await typeCurl(t, server, 'README.md', { uploads: true, folder });
    const [line, study] = output.split('\n');
    t.equal(line, '49 pixels');
    t.match(JSON.parse(study!), { id: 'first-study', pairs: 1, unpaired: [] });
    t.same(decodePng(readFileSync(join(folder, 'overlay.png'))).width, 32, 'sixteen columns, twice');
  },
);

t.test('the curl lines of the documents are for curl 7.76, which has no --json', async (t) => {
  const told = [...DOCUMENTS, 'src/demo/summary.ts'].filter((file) =>
    /curl[^\n]*--json/.test(readText(file)),
  );
  t.same(told, []);
});

t.test('the curl lines of the operations page do what it says', { skip: withoutCurl }, async (t) => {
  const { server } = await servePhantom(t);
  const { output } = await typeCurl(t, server, 'docs/operations.md');
  t.match(output, '{"live":true}');
  t.match(output, '"ready":true');
  t.match(output, '{"changed":0,"added":0,"removed":0}');
});

const PRINT_BATCH = `
import hashlib
whole = np.frombuffer(body, 'u1')
print(json.dumps({
    'pairIds': json.loads(metadata['pairIds']),
    'tensors': {name: {'dtype': str(a.dtype), 'shape': list(a.shape)} for name, a in batch.items()},
    'inPlace': all(np.shares_memory(a, whole) and a.flags.writeable for a in batch.values()),
    'images': [hashlib.sha256(image.tobytes()).hexdigest() for image in batch['images']],
    'masked': [int(mask.sum()) for mask in batch['masks']],
}))`;

/** The README's Python lines, the first that import `module`, with the service's place put in. */
function readmeScript(module: string, server: TestServer): string {
  const scripts = codeBlocks(readText('README.md'), 'python');
  const script = scripts.find((code) => code.split('\n')[0]?.includes(module));
  if (script === undefined) throw new Error(`no Python lines for ${module} in README.md`);
  return script.replaceAll(PLACE, new URL(server.url).host);
}

async function openFirst(server: TestServer): Promise<{ batch: object }> {
  const answer = await fetch(`${server.url}/v1/sessions/first`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"batchSize": 4}',
  });
  return (await answer.json()) as { batch: object };
}

t.test('the Python lines of the README give a batch in place', { skip: withoutNumpy }, async (t) => {
  const { server, truth } = await servePhantom(t);
  const { batch } = await openFirst(server);
  const script = readmeScript('numpy', server);
  t.equal(script.trim().split('\n').length, 8, 'eight lines');
  const seen = JSON.parse(await python(script + PRINT_BATCH));
  t.equal(seen.inPlace, true);
  t.same(seen.tensors, batch, 'the tensors that the session promised');
  t.equal(seen.pairIds.length, 4);
  // Twelve-bit values without a rescale: int16 in the batch and uint16 in the file are the same bytes.
  const images = new Map(
    truth.studies.flatMap(({ id, images }) => images.map((i) => [`${id}/${i.slice}`, i.sha256])),
  );
  t.same(
    seen.images,
    seen.pairIds.map((pair: string) => images.get(pair)),
  );
  t.ok(seen.masked.every((pixels: number) => pixels > 0));
});

t.test('the torch line of the README copies nothing', { skip: withoutNumpy || withoutTorch }, async (t) => {
  const { server } = await servePhantom(t);
  await openFirst(server);
  const check = `
batch['images'][0, 0, 0, 0] = 77
print(tensors['images'][0, 0, 0, 0].item(), sorted(tensors) == sorted(batch))`;
  const printed = await python(readmeScript('numpy', server) + readmeScript('torch', server) + check);
  t.equal(printed.trim(), '77 True');
});

t.test('with ?format=npz a batch is a file for numpy.load', { skip: withoutNumpy }, async (t) => {
  const { server } = await servePhantom(t);
  await openFirst(server);
  const check = `
import io
npz = np.load(io.BytesIO(urllib.request.urlopen('${server.url}/v1/sessions/first/batches/0?format=npz').read()))
print({name: npz[name].tobytes() == array.tobytes() for name, array in batch.items()} == dict.fromkeys(batch, True))`;
  t.equal((await python(readmeScript('numpy', server) + check)).trim(), 'True');
});
