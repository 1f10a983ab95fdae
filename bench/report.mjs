const EM = '–';

/** Three significant figures, thousands with commas. */
export function short(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function range({ median, min, max }) {
  return min === max ? short(median) : `${short(median)} (${short(min)}${EM}${short(max)})`;
}

/** What a figure is held to, in words, and whether it is. */
export function judge({ goal, ratio, more }) {
  if (goal === null) return { wanted: '', reached: null };
  if ('atLeast' in goal) return { wanted: `≥ ${goal.atLeast}`, reached: ratio.median >= goal.atLeast };
  if ('atMost' in goal) return { wanted: `≤ ${goal.atMost}`, reached: ratio.median <= goal.atMost };
  return { wanted: `≤ ${goal.atMostMore} more`, reached: more.median <= goal.atMostMore };
}

function cells(figure) {
  const { wanted, reached } = judge(figure);
  const mark = reached === null ? '' : reached ? 'yes' : 'no';
  const beside = figure.more ? `${range(figure.more)} more` : range(figure.ratio);
  return [
    figure.title,
    `${range(figure.value)} ${figure.unit}`,
    `${figure.anchorTitle}: ${range(figure.anchor)}`,
    beside,
    figure.aa ? range(figure.aa) : '',
    wanted,
    mark,
  ];
}

const HEAD = [
  'figure',
  'slicefeed',
  'anchor in the same run',
  'ratio',
  'anchor to itself',
  'wanted',
  'reached',
];

/** The figures as a table for a terminal. */
export function textTable(figures) {
  const rows = [HEAD, ...figures.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function setup({ machine, versions, settings }) {
  return table(
    ['what', 'here'],
    [
      [
        'machine',
        `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}`,
      ],
      ['load of the machine before', String(machine.load)],
      [
        'versions',
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version ?? 'missing'}`)
          .join(', '),
      ],
      ['data', settings.data],
      ['slicefeed', settings.service],
      ['reader', settings.reader],
      ['rounds', settings.rounds],
    ],
  );
}

function where({ name, place, caller }) {
  const made = caller ? `, from ${caller}` : '';
  return `\`${name}\`${place ? ` ${place}` : ''}${made}`;
}

/** Functions of a profile's table; the others are summed. */
const SHOWN = 10;

function profileSection(tables) {
  return tables.map(({ process, busyUs, busyShare, functions, own }) => {
    const shown = own.slice(0, SHOWN);
    const others = busyUs - shown.reduce((sum, { us }) => sum + us, 0);
    return [
      `The ${process} is busy ${Math.round(busyShare * 100)} % of the time, ${busyUs.toLocaleString('en-US')} µs a batch:`,
      '',
      table(
        ['own time, µs a batch', 'where'],
        [
          ...shown.map((spot) => [String(spot.us), where(spot)]),
          [String(others), `${functions - shown.length} others`],
        ],
      ),
    ].join('\n');
  });
}

/** What a batch costs all who take part, and what follows from that alone: no sharing of the cores makes a batch faster. */
function costSection({ first, later, fixed }, cores) {
  const sum = (rows) => rows.reduce((total, { userUs, systemUs }) => total + userUs + systemUs, 0);
  const columns = [first, later, fixed];
  const service = [first[0], later[0], fixed[0]];
  const loaders = [first[1], later[1]];
  const row = (name, costs, shown) => [name, ...columns.map((_, at) => (costs[at] ? shown(costs[at]) : ''))];
  const times = ({ userUs, systemUs }) => `${userUs} + ${systemUs}`;
  const helpers = ({ helpersUs }) => String(helpersUs);
  const inHelpers = 'of it in threads of V8, which compile and collect';
  return [
    'Processor time of one batch of 8 pairs, one reader, without a profiler, user + system in µs:',
    table(
      ['process', 'first epoch', 'later epochs', 'the fixed Buffer'],
      [
        row('service', service, times),
        row(inHelpers, service, helpers),
        row('loaders', loaders, times),
        row(inHelpers, loaders, helpers),
        row('reader', [first[2], later[2], fixed[1]], times),
        ['together', ...columns.map((column) => String(sum(column)))],
        [
          `the least a batch can take on ${cores} cores`,
          ...columns.map((column) => String(Math.round(sum(column) / cores))),
        ],
      ],
    ),
  ];
}

const PHASES = [
  'from the end of the step until the server has the request',
  'until its first write',
  'until its last write is done',
  'until the reader has all of it',
];

/** Where the wait of a paced reader goes, a table for each way to place reader and server, a column a server. */
function waitSection(waits) {
  const beside = ({ us, ratio }) => `${us} (${short(ratio)} ×)`;
  return [
    '### The wait of a paced reader that asks for each batch',
    `In µs, in turns: medians of the phases, each of its own; p50 and p99 of the whole wait, in parentheses beside the fixed Buffer in the same round; and how long
the first thread of either process stood in line for a core, a batch, by the count of the system. The reader may have the last byte before the call that wrote
it returns.`,
    ...waits.map(({ where, servers }) =>
      table(
        [`reader and server ${where}`, ...servers.map(({ title }) => title)],
        [
          ...PHASES.map((phase, at) => [phase, ...servers.map(({ phasesUs }) => String(phasesUs[at]))]),
          ['all of it, p50', ...servers.map(({ p50 }) => beside(p50))],
          ['all of it, p99', ...servers.map(({ p99 }) => beside(p99))],
          [
            'the server ready to run, without a core',
            ...servers.map(({ queuedUs }) => String(queuedUs.server)),
          ],
          [
            'the reader ready to run, without a core',
            ...servers.map(({ queuedUs }) => String(queuedUs.reader)),
          ],
        ],
      ),
    ),
  ];
}

/** The ratios of a run beside those of another one, of the same figures. */
function otherSection({ figures, versions }, other) {
  const titled = new Map(other.figures.map((figure) => [figure.id, figure]));
  const rows = figures.flatMap((figure) => {
    const there = titled.get(figure.id);
    const shown = ({ ratio, more }) => (more ? `${range(more)} more` : range(ratio));
    // What a title says in parentheses, of pace or data, is of that run.
    return there
      ? [[figure.title.replace(/ \(.*\)$/, ''), shown(figure), shown(there), judge(figure).wanted]]
      : [];
  });
  return [
    `## On Node ${other.versions.node.split('.')[0]}`,
    'The ratios of a run on the same machine that differs in nothing else.',
    table(['figure', `node ${versions.node}`, `node ${other.versions.node}`, 'wanted'], rows),
  ];
}

/**
 * `docs/performance.md` from a run's results; `notes` is what a person wrote about them, `other` the results of a run with another Node, or
 * null.
 */
export function markdown(results, notes, other = null) {
  const { figures, waits, cost, profiles, size } = results;
  return `${[
    '# Performance',
    `Made by \`npm run bench\`${size !== 'full' ? ' (`--quick`)' : ''}; do not edit. Each figure is the median of several rounds, with its smallest and largest
in parentheses. A round is the anchor, then slicefeed, then the anchor again; the ratio is that of slicefeed to the mean of the two, and *anchor to
itself* is the second to the first, which tells the noise. Ratios hold elsewhere, absolute values do not.`,
    table(HEAD, figures.map(cells)),
    notes.trim(),
    ...(other ? otherSection(results, other) : []),
    '## Throughput over batch size and image size\n\n![Delivered MB/s over batch size and image size](performance.svg)\n\nOne run for each point, later epochs.',
    '## How it was measured',
    setup(results),
    `Before any timing, an epoch with the peer's own mask rule (\`pil\`) is read and summed on both sides: the sums over all bytes of images and masks
are equal. Nothing is left undone on either side: batches end as torch tensors and every byte is summed. All files are in the page cache of
the system.`,
    '## Where the time goes',
    ...(cost ? costSection(cost, results.machine.cores) : []),
    ...(waits.length > 0 ? waitSection(waits) : []),
    '### Functions',
    'By the sampling profiler of V8, which slows both processes a little and sees their first threads alone. Calls into the system count for who made them.',
    'The first epoch of a service, one reader:',
    ...profileSection(profiles.first),
    'Later epochs, one reader:',
    ...profileSection(profiles.later),
    '## How to look closer',
    `\`\`\`sh
npm run bench                       # all of it: a table, bench/results.json, this page
npm run bench -- --quick            # in about a minute, smaller; this page stays as it is
npm run bench -- --other FILE       # with the ratios of another run's results.json, of another Node
node bench/profile.mjs cpu          # CPU profiles of the service and of each loader, for Chrome's developer tools
node bench/profile.mjs heap         # snapshots of their heaps
\`\`\`

[bench/README.md](../bench/README.md) says what stands in which script.`,
  ].join('\n\n')}\n`;
}
