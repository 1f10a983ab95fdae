// Writes the tables of the documents from the compiled code: `node scripts/docs.mjs [--check] [FOLDER]`.
// A table stands between `<!-- NAME -->` and `<!-- /NAME -->`. With --check nothing is written, and a table that
// differs ends it with exit code 1. FOLDER holds the documents; without it, the project's own.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { buildApp } from '../dist/src/app.js';
import { CODECS } from '../dist/src/codecs/codecs.js';
import { readConfig } from '../dist/src/config.js';
import { transferSyntaxName } from '../dist/src/core/dicom-uids.js';
import { FINDING_RULES } from '../dist/src/core/finding-codes.js';
import { PROBLEMS } from '../dist/src/core/problem.js';
import { ERRORS } from '../dist/src/errors.js';
import { Metrics } from '../dist/src/metrics.js';
import { SpecRequest } from '../dist/src/sessions/request.js';
import { Settings } from '../dist/src/settings.js';
import { Tokens } from '../dist/src/tokens.js';

const DOCUMENTS = {
  'README.md': {
    calls,
    fields,
    commands,
    settings,
    'transfer-syntaxes': syntaxes,
    errors,
  },
  'docs/operations.md': { metrics, problems },
  'docs/quality.md': { 'finding-codes': findingCodes },
};

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text) {
  return `\`${text}\``;
}

function settings() {
  const rows = Object.entries(Settings.properties).map(([name, schema]) => {
    const fallback = schema.default === '' ? '' : code(schema.default);
    return [code(`SLICEFEED_${name}`), fallback, schema.description ?? ''];
  });
  return table(['setting', 'default', 'meaning'], rows);
}

function errors() {
  const byStatus = new Map();
  for (const [name, { status, title }] of Object.entries(ERRORS))
    byStatus.set(status, [...(byStatus.get(status) ?? []), `${code(name)} ${title}`]);
  const rows = [...byStatus].map(([status, codes]) => [String(status), codes.join('<br>')]);
  return table(['status', 'code and meaning'], rows);
}

function findingCodes() {
  const rows = Object.entries(FINDING_RULES).map(([name, { meaning, unit, threshold, isLeast }]) => [
    code(name),
    meaning,
    unit,
    name === 'NOT_MEASURED' ? '' : `${isLeast ? 'under' : 'over'} ${threshold}`,
  ]);
  return table(['code', 'meaning', 'value', 'a finding when'], rows);
}

function help() {
  const cli = fileURLToPath(new URL('../dist/src/cli.js', import.meta.url));
  return execFileSync(process.execPath, [cli, '--help'], { encoding: 'utf8' }).trim();
}

function commands() {
  return `\`\`\`\n${help()}\n\`\`\``;
}

function syntaxes() {
  const uids = new Set(CODECS.flatMap(({ transferSyntaxes }) => transferSyntaxes));
  return [...uids]
    .sort()
    .map((uid) => `- ${transferSyntaxName(uid)} (${code(uid)})`)
    .join('\n');
}

async function metrics() {
  const measured = await new Metrics(NO_SERVICE).registry.getMetricsAsArray();
  const own = measured.filter(({ name }) => name.startsWith('slicefeed_'));
  return table(
    ['metric', 'what'],
    own.map(({ name, help, labelNames = [] }) => [
      code(name),
      [help, ...labelNames.map((label) => `by ${code(label)}`)].join(', '),
    ]),
  );
}

function problems() {
  return table(
    ['code', 'meaning'],
    Object.entries(PROBLEMS).map(([name, meaning]) => [code(name), meaning]),
  );
}

/** Each field of a session's body that holds a value, nested ones as `image.dtype`. */
function leaves(schema, path = []) {
  return Object.entries(schema.properties).flatMap(([name, field]) =>
    field.properties ? leaves(field, [...path, name]) : [{ path: [...path, name], schema: field }],
  );
}

function number(value) {
  return value === Number.MAX_SAFE_INTEGER ? '2^53-1' : value.toLocaleString('en-US');
}

function takes(schema) {
  if (schema.anyOf) return schema.anyOf.map(takes).join(' or ');
  if (schema.enum) return schema.enum.map((value) => code(JSON.stringify(value))).join(', ');
  const types = [schema.type].flat();
  const kind = {
    array: `list${schema.items?.enum ? ` of ${takes(schema.items)}` : ''}`,
    boolean: '`true`, `false`',
    integer: `${number(schema.minimum ?? 0)} … ${number(schema.maximum ?? Number.MAX_SAFE_INTEGER)}`,
    number: 'number',
    object: 'object of lists',
    string: 'text',
  }[types[0]];
  return types.includes('null') ? `${kind}, \`null\`` : kind;
}

function fields() {
  const rows = leaves(SpecRequest).map(({ path, schema }) => [
    code(path.join('.')),
    takes(schema),
    schema.description ?? '',
  ]);
  return table(['field', 'takes', 'meaning'], rows);
}

// Nothing is asked of it but its routes.
const NO_SERVICE = new Proxy(() => {}, {
  get: (_, name) => (name === 'then' || typeof name === 'symbol' ? undefined : NO_SERVICE),
  apply: () => {
    throw new Error('there is no service');
  },
});

const edge = { ...readConfig({}), tokens: new Tokens([]), requestsAMinute: 0, tls: null };
const app = await buildApp(NO_SERVICE, pino({ level: 'silent' }), edge);
await app.ready();

/** Every call that is built, in the words of its route; those about the service itself are told elsewhere. */
function calls() {
  const rows = Object.entries(app.swagger().paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { tags = [] }]) => !tags.includes('service'))
      .map(([method, { summary = '' }]) => [code(`${method.toUpperCase()} ${path}`), summary]),
  );
  return table(['call', 'what'], rows);
}

/** The text with a section between its two marks replaced. */
function replaceSection(text, name, content, file) {
  const [open, close] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
  const from = text.indexOf(open);
  const to = text.indexOf(close, from);
  if (from < 0 || to < 0)
    throw new Error(`${file} has no section ${name}: put ${open.trim()} and ${close.trim()} in`);
  return text.slice(0, from + open.length) + content + text.slice(to);
}

const args = process.argv.slice(2);
const isCheck = args.includes('--check');
const folder = args.find((arg) => !arg.startsWith('-')) ?? fileURLToPath(new URL('..', import.meta.url));
for (const [file, sections] of Object.entries(DOCUMENTS)) {
  const path = join(folder, file);
  const before = readFileSync(path, 'utf8');
  for (const [, name] of before.matchAll(/^<!-- \/(.+) -->$/gm))
    if (!(name in sections)) throw new Error(`${file} has a section ${name} that nothing writes`);
  let text = before;
  for (const [name, make] of Object.entries(sections)) {
    const replaced = replaceSection(text, name, await make(), file);
    if (isCheck && replaced !== text) {
      console.error(`${file}: the section ${name} is not what the code says: npm run docs`);
      process.exitCode = 1;
    }
    text = replaced;
  }
  if (!isCheck && text !== before) writeFileSync(path, text);
}
await app.close();
