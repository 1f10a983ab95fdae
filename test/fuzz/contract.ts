import { Ajv, type ValidateFunction } from 'ajv';
import { below, seededRandom } from '../soak/random.js';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: object }>> }>
  >;
}

type OpenApi = Readonly<Record<string, unknown>> & {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

export interface ContractReport {
  readonly asked: number;
  /** How many answers of each status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What must not be: an answer that the document does not name or that is not as it says, a fault of the service. */
  readonly failures: readonly string[];
}

export interface ContractOptions {
  readonly seed: number;
  readonly count: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Values for parameters of a path that lead somewhere. */
  readonly known: Readonly<Record<string, readonly string[]>>;
  /** Calls that are left out, as `get /path`. */
  readonly leaveOut?: readonly string[];
}

const ENOUGH_BYTES = 1024 * 1024;
const ODD_TEXTS = [
  '..',
  '../../etc/passwd',
  '\0',
  'a\r\nX: y',
  '%',
  '%00',
  "' OR 1=1 --",
  '__proto__',
  'constructor',
  'ü€😀',
  '\ud800',
  'null',
  'a'.repeat(5000),
  '[]',
  '{}',
  ' ',
  '0',
  '-1',
  '1e309',
  '9007199254740993',
  'NaN',
];
const ODD_VALUES = [null, true, -1, 0, 1.5, 2 ** 53, 1e308, '', [], {}, [[]], [null], { a: { b: [] } }];

/** Asks calls of the contract with odd values in every place, the same for the same seed, and holds each answer against the document. */
export async function fuzzContract(url: string, options: ContractOptions): Promise<ContractReport> {
  const { seed, count, headers = {}, known, leaveOut = [] } = options;
  const document = resolveReferences((await (await fetch(`${url}/openapi.json`)).json()) as OpenApi);
  const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const asked = calls.filter(({ method, path }) => !leaveOut.includes(`${method} ${path}`));
  const answers = new Answers();
  const failures: string[] = [];
  const statuses: Record<string, number> = {};
  for (let n = 0; n < count; n++) {
    const random = seededRandom(seed * 1_000_003 + n);
    const { path, method, operation } = asked[below(random, asked.length)]!;
    const request = makeRequest(random, path, method, operation, known);
    const answer = await fetch(url + request.target, {
      method: method.toUpperCase(),
      headers: { ...headers, ...request.headers },
      ...(request.body === null ? {} : { body: request.body }),
      redirect: 'manual',
    });
    const body = await readSome(answer);
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    const fault = answers.faultOf(operation, answer, body);
    if (fault) failures.push(`${n}: ${method} ${request.target.slice(0, 200)} ${answer.status}: ${fault}`);
  }
  return { asked: count, statuses, failures };
}

/** The document with each reference to a shared schema replaced by that schema. */
export function resolveReferences<T>(document: T): T {
  const { schemas } = (document as { components: { schemas: Record<string, unknown> } }).components;
  const resolve = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(resolve);
    if (typeof node !== 'object' || node === null) return node;
    const { $ref } = node as { $ref?: string };
    if ($ref !== undefined) return resolve(schemas[$ref.split('/').pop()!]);
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolve(value)]));
  };
  return resolve(document) as T;
}

/** The start of a body: a stream of a session without end has none. */
async function readSome(answer: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    parts.push(part);
    bytes += part.length;
    if (bytes > ENOUGH_BYTES) break;
  }
  return Buffer.concat(parts);
}

/** What an answer may be, by the document. */
class Answers {
  #ajv = new Ajv({ strict: false, allErrors: false });
  #checks = new Map<object, ValidateFunction>();

  faultOf(operation: Operation, answer: Response, body: Buffer): string | null {
    const { status } = answer;
    if (status >= 500 && status !== 501 && status !== 503) return `a fault of the service: ${body}`;
    const named = operation.responses[status];
    if (!named) return 'the document names no such status';
    if (status === 503 && !answer.headers.get('retry-after')) return 'no Retry-After';
    if (!named.content) return null;
    const type = (answer.headers.get('content-type') ?? '').split(';')[0]!;
    const content = named.content[type];
    if (status >= 400 && type !== 'application/problem+json' && status !== 503)
      return `${type} is no problem`;
    if (!content) return status === 304 || body.length === 0 ? null : `the document names no ${type}`;
    if (!/json$/.test(type) || !content.schema) return null;
    const check = this.#checkOf(content.schema);
    return check(JSON.parse(body.toString('utf8'))) ? null : this.#ajv.errorsText(check.errors);
  }

  #checkOf(schema: object): ValidateFunction {
    const known = this.#checks.get(schema);
    if (known) return known;
    const made = this.#ajv.compile(schema);
    this.#checks.set(schema, made);
    return made;
  }
}

type Random = () => number;

function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)]!;
}

function makeRequest(
  random: Random,
  path: string,
  method: string,
  operation: Operation,
  known: ContractOptions['known'],
) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const leading = known[name];
    const value = leading && random() < 0.7 ? pick(random, leading) : pick(random, ODD_TEXTS);
    return encode(value === '..' ? '...' : value);
  });
  const query: string[] = [];
  for (const { in: place, name, schema } of operation.parameters ?? []) {
    if (place !== 'query' || random() < 0.5) continue;
    const value = random() < 0.7 ? sample(random, schema) : pick(random, ODD_TEXTS);
    query.push(`${name}=${encode(String(value))}`);
  }
  if (random() < 0.05) query.push(`${encode(pick(random, ODD_TEXTS))}=1`);
  const target = filled + (query.length > 0 ? `?${query.join('&')}` : '');
  if (method === 'get') return { target, headers: {}, body: null };
  return { target, ...makeBody(random, operation) };
}

interface RequestBody {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | FormData | null;
}

function makeBody(random: Random, { requestBody }: Operation): RequestBody {
  const content = requestBody?.content ?? {};
  const schema = content['application/json']?.schema;
  const chance = random();
  if (chance < 0.1) return { headers: {}, body: null };
  if (chance < 0.15) return { headers: { 'content-type': 'text/csv' }, body: 'a,b' };
  if (chance < 0.2) return { headers: { 'content-type': 'application/json' }, body: '{"a":' };
  if (chance < 0.3 || !schema) {
    const form = new FormData();
    form.append('file', new Blob([pick(random, ODD_TEXTS)]), pick(random, ODD_TEXTS).replace(/[\r\n]/g, ''));
    return { headers: {}, body: form };
  }
  const body = random() < 0.9 ? sample(random, schema) : pick(random, ODD_VALUES);
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** A value that a schema allows, or now and then one that it doesn't. */
function sample(random: Random, schema: Schema): unknown {
  if (random() < 0.05) return pick(random, ODD_VALUES);
  if (schema.anyOf) return sample(random, pick(random, schema.anyOf));
  if (schema.enum) return pick(random, schema.enum);
  switch ([schema.type].flat()[0]) {
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).filter(() => random() < 0.15);
      return Object.fromEntries(fields.map(([name, field]) => [name, sample(random, field)]));
    }
    case 'array':
      return Array.from({ length: below(random, 4) }, () => sample(random, schema.items ?? {}));
    case 'integer':
    case 'number': {
      const { minimum = 0, maximum = 1000 } = schema;
      return pick(random, [minimum, minimum + 1, Math.min(maximum, minimum + 7), maximum]);
    }
    case 'boolean':
      return random() < 0.5;
    default:
      return pick(random, ['i', 'o', 'A', ...ODD_TEXTS]);
  }
}

/** Like `encodeURIComponent`, for halves of characters too. */
function encode(text: string): string {
  return encodeURIComponent(Buffer.from(text, 'utf8').toString('utf8'));
}
