import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import t from 'tap';
import { readConfig } from '../src/config.js';
import { Metrics } from '../src/metrics.js';
import { Settings } from '../src/settings.js';
import { sizeBytes } from '../src/size.js';
import { parseYaml, type Yaml } from './fixtures/plain-yaml.js';

const FOLDER = new URL('../../deploy/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8');

const gauges = new Proxy(
  {},
  { get: (_, name) => () => (name === 'problems' ? new Map() : 0) },
) as ConstructorParameters<typeof Metrics>[0];
const { registry } = new Metrics(gauges);
const exported = new Set(registry.getMetricsAsArray().map(({ name }) => name));
const SERIES = /\b(?:slicefeed|process|nodejs)_[a-z0-9_]+/g;

/** The metrics that a text names, without the endings that Prometheus gives the series of a histogram. */
function metricsOf(text: string): string[] {
  const named = [...text.matchAll(SERIES)].map(([name]) => name);
  return [
    ...new Set(named.map((name) => (exported.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')))),
  ];
}

for (const name of ['alerts.yml', 'grafana-dashboard.json'])
  t.test(`${name} names only metrics that the service has`, async (t) => {
    const named = metricsOf(read(name));
    t.ok(named.length >= 5, `${named.length} metrics`);
    t.strictSame(
      named.filter((metric) => !exported.has(metric)),
      [],
    );
  });

t.test('each series that a file asks for by a label exists from the start', async (t) => {
  const series = (await registry.getMetricsAsJSON()).flatMap(({ name, values }) =>
    values.map(({ labels }): readonly [string, Readonly<Record<string, unknown>>] => [name, labels]),
  );
  const missing = (text: string) => {
    const selected = [...text.matchAll(/\b(slicefeed_\w+?)(?:_bucket|_sum|_count)?\{([^}]*)\}/g)].flatMap(
      ([whole, name, labels = '']) => {
        const wanted = [...labels.matchAll(/(\w+)="([^"]+)"/g)];
        return wanted.length > 0 ? [{ whole, name, wanted }] : [];
      },
    );
    const absent = selected.filter(
      ({ name, wanted }) =>
        !series.some(
          ([own, labels]) =>
            own === name && wanted.every(([, label, value]) => String(labels[label!]) === value),
        ),
    );
    return { count: selected.length, absent: absent.map(({ whole }) => whole) };
  };
  t.strictSame(missing(read('alerts.yml')), { count: 4, absent: [] });
  t.strictSame(missing(read('grafana-dashboard.json').replaceAll('\\"', '"')), { count: 2, absent: [] });
  t.strictSame(missing('slicefeed_http_answers_total{code="SLF_NONE"}').absent, [
    'slicefeed_http_answers_total{code="SLF_NONE"}',
  ]);
});

t.test('each alert has an expression, a severity, and words that say what to do', async (t) => {
  const alerts = read('alerts.yml')
    .split(/^ {6}- alert: /m)
    .slice(1);
  t.ok(alerts.length >= 8);
  for (const alert of alerts)
    for (const part of [
      /^ {8}expr: \S/m,
      /severity: (critical|warning|info)/,
      /summary: "./,
      /description: "./,
    ])
      t.match(alert, part, alert.split('\n', 1)[0]!);
});

t.test('the dashboard is JSON whose panels lie beside each other, each with an expression', async (t) => {
  interface Panel {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }
  const { panels } = JSON.parse(read('grafana-dashboard.json')) as { panels: Panel[] };
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { type, title, gridPos, targets = [] } of panels) {
    if (type !== 'row') t.ok(targets.length > 0 && targets.every(({ expr }) => expr !== ''), title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.ok(x < 24 && !taken.has(`${x},${y}`), `${title} at ${x}, ${y}`, { diagnostic: false });
        taken.add(`${x},${y}`);
      }
  }
});

t.test('every file of the folder is named in its README', async (t) => {
  const readme = read('README.md');
  for (const name of readdirSync(FOLDER)) if (name !== 'README.md') t.ok(readme.includes(name), name);
});

type Fields = { readonly [key: string]: Yaml };

/** Returns the value at a path of keys and indexes. */
function at(value: Yaml | undefined, ...path: readonly (string | number)[]): Yaml | undefined {
  return path.reduce<Yaml | undefined>(
    (inner, key) => (inner as Record<string | number, Yaml>)?.[key],
    value,
  );
}

t.test('the pod of kubernetes.yml has what the service asks for', async (t) => {
  const documents = parseYaml(read('kubernetes.yml'));
  const ofKind = (kind: string) => documents.find((document) => at(document, 'kind') === kind);
  t.strictSame(
    documents.map((document) => at(document, 'kind')),
    ['PersistentVolumeClaim', 'Deployment', 'Service'],
  );
  const deployment = ofKind('Deployment');
  const labels = at(deployment, 'spec', 'template', 'metadata', 'labels');
  t.strictSame(at(deployment, 'spec', 'selector', 'matchLabels'), labels);
  t.strictSame(at(ofKind('Service'), 'spec', 'selector'), labels);
  t.equal(at(deployment, 'spec', 'strategy', 'type'), 'Recreate', 'a state folder has one service');

  const pod = at(deployment, 'spec', 'template', 'spec');
  t.equal(at(pod, 'enableServiceLinks'), 'false');
  t.match(at(pod, 'securityContext'), { runAsNonRoot: 'true', runAsUser: '1000', fsGroup: '1000' });
  const container = at(pod, 'containers', 0);
  const env = new Map(
    (at(container, 'env') as Fields[]).map(({ name, value }) => [String(name), String(value)]),
  );
  for (const name of env.keys()) t.ok(name.replace(/^SLICEFEED_/, '') in Settings.properties, name);
  const mounts = at(container, 'volumeMounts') as Fields[];
  const volumes = at(pod, 'volumes') as Fields[];
  t.strictSame(mounts.map(({ name }) => name).sort(), volumes.map(({ name }) => name).sort());
  const config = readConfig({
    SLICEFEED_DATA: '/data',
    SLICEFEED_STATE: '/state',
    ...Object.fromEntries([...env].filter(([name]) => name !== 'SLICEFEED_LOADER_MEMORY')),
  });
  for (const folder of [config.data, config.state, dirname(config.tokenFile), '/dev/shm'])
    t.ok(
      mounts.some(({ mountPath }) => mountPath === folder),
      `${folder} is mounted`,
    );

  const [, command = ''] = /^#\s+(kubectl create secret .*)$/m.exec(read('kubernetes.yml')) ?? [];
  const secret = at(
    volumes.find(({ name }) => name === 'tokens'),
    'secret',
    'secretName',
  );
  t.equal(
    command,
    `kubectl create secret generic ${secret} --from-literal=${basename(config.tokenFile)}="$(openssl rand -base64 24)"`,
    'no token is in the file itself',
  );

  const memory = volumes.find(({ name }) => name === 'memory');
  t.equal(at(memory, 'emptyDir', 'medium'), 'Memory');
  const shm = sizeBytes(String(at(memory, 'emptyDir', 'sizeLimit')))!;
  const limit = sizeBytes(String(at(container, 'resources', 'limits', 'memory')))!;
  const loaders =
    (Number(env.get('SLICEFEED_LOADERS')) + 1) * sizeBytes(env.get('SLICEFEED_LOADER_MEMORY')!)!;
  t.ok(config.budgetBytes < shm, 'batches fit into /dev/shm');
  t.ok(
    config.budgetBytes + loaders + 512 * 1024 ** 2 <= limit,
    'batches, loaders and the service fit into the limit',
  );

  const port = at(container, 'ports', 0) as Fields;
  for (const [probe, path] of [
    ['startupProbe', '/livez'],
    ['livenessProbe', '/livez'],
    ['readinessProbe', '/readyz'],
  ] as const)
    t.match(at(container, probe, 'httpGet'), { path, port: port.name });
  t.equal(at(ofKind('Service'), 'spec', 'ports', 0, 'targetPort'), port.name);
});

t.test(
  'the image runs as a number, and is asked for its health by the command that reads its settings',
  async (t) => {
    const dockerfile = readFileSync(new URL('../Dockerfile', FOLDER), 'utf8');
    t.match(dockerfile, /^USER 1000$/m);
    t.match(dockerfile, /^COPY docs\/\*\.md docs\/$/m, 'the documents that help texts and the contract name');
    t.match(dockerfile, /^ARG NODE_IMAGE=\S+$/m);
    t.equal([...dockerfile.matchAll(/^FROM \$\{NODE_IMAGE\}/gm)].length, 2);
    const [, command = '[]'] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(dockerfile) ?? [];
    t.strictSame(JSON.parse(command), ['node', 'dist/src/cli.js', 'health']);
  },
);
