import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { Metrics } from '../src/metrics.js';

const FOLDER = new URL('../../deploy/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8');

const gauges = new Proxy({}, { get: () => () => 0 }) as ConstructorParameters<typeof Metrics>[0];
const exported = new Set((await new Metrics(gauges).registry.getMetricsAsArray()).map(({ name }) => name));
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
