#!/usr/bin/env node
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BackupSummary } from './backup/contents.js';
import { openFilesLimit } from './machine.js';
import type { SettingName } from './settings.js';

/** With fewer open files the program itself can't be read: its modules are opened side by side. */
const LEAST_OPEN_FILES = 192;
const openFiles = openFilesLimit();
if (openFiles < LEAST_OPEN_FILES) {
  console.error(
    `slicefeed: this process may open ${openFiles} files at a time, and needs ${LEAST_OPEN_FILES} at least: raise that to 1024 or more, with "ulimit -n 1024", LimitNOFILE= of systemd, or --ulimit nofile=1024 of docker`,
  );
  process.exit(1);
}
const { ConfigError, readConfig } = await import('./config.js');
const { Settings } = await import('./settings.js');
const { VERSION } = await import('./version.js');
const { WrongUse } = await import('./wrong-use.js');

interface Command {
  readonly summary: string;
  readonly usage: string;
  /** The settings that are options of this command. */
  readonly settings: readonly SettingName[];
  /** Options that are no settings, with what they do. */
  readonly own?: Readonly<Record<string, string>>;
  /** Options without a value. */
  readonly flags?: Readonly<Record<string, string>>;
  /** What comes without a name. */
  readonly operand?: string;
  run(options: Partial<Record<SettingName, string>>, own: OwnOptions): Promise<void>;
}

interface OwnOptions {
  readonly operand: string;
  readonly values: Readonly<Record<string, string>>;
  readonly flags: ReadonlySet<string>;
}

const REPORTING: readonly SettingName[] = [
  'DATA',
  'STATE',
  'QUALITY_LIMITS',
  'QUALITY_INSIDE',
  'LOADERS',
  'LOADER_MEMORY',
  'PAIR_SECONDS',
  'LOG_LEVEL',
];
const SERVING = Object.keys(Settings.properties) as SettingName[];

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'the service over a data folder',
    usage: 'slicefeed serve --data FOLDER [--port 8080] [--host 127.0.0.1]',
    settings: SERVING,
    async run(options) {
      const config = readConfig(process.env, options);
      if (config.data === '')
        throw new WrongUse('serve needs a data folder: --data FOLDER or SLICEFEED_DATA');
      const { serve } = await import('./server.js');
      await serve(config);
    },
  },
  demo: {
    summary: 'the whole way once, over a phantom that it makes',
    usage: 'slicefeed demo',
    settings: [],
    async run() {
      const { demo } = await import('./demo/demo.js');
      process.exitCode = (await demo()) ? 0 : 1;
    },
  },
  decode: {
    summary: 'one image through a loader: a JSON line of what it holds',
    usage: 'slicefeed decode FILE [--frame 0] [--values stored] [--npy OUT] [--png OUT]',
    settings: [],
    operand: 'FILE',
    own: {
      frame: 'which frame, counted from 0 (0)',
      values: 'stored, rescaled or windowed (stored)',
      npy: 'writes the values there, as a NumPy array',
      png: 'writes a picture of the windowed values there',
    },
    async run(_, { operand, values: given }) {
      const { frame = '0', values = 'stored', npy = null, png = null } = given;
      if (!/^\d{1,9}$/.test(frame)) throw new WrongUse(`--frame takes a number from 0 on, not "${frame}"`);
      if (values !== 'stored' && values !== 'rescaled' && values !== 'windowed')
        throw new WrongUse(`--values takes stored, rescaled or windowed, not "${values}"`);
      const { loaderMemoryBytes: memoryBytes, pairTimeoutMs: deadlineMs } = readConfig(process.env, {});
      const { decodeFile } = await import('./decode.js');
      const options = { frame: Number(frame), values, npy, png, memoryBytes, deadlineMs } as const;
      process.exitCode = (await decodeFile(operand, options)) ? 0 : 1;
    },
  },
  report: {
    summary: 'the quality report: what is odd about the contours of a data folder',
    usage: 'slicefeed report --data FOLDER [--json]',
    settings: REPORTING,
    flags: { json: 'the JSON of GET /v1/report, not a table' },
    async run(options, { flags }) {
      // What a service logs is of no use to who reads a table, as long as all goes well.
      const config = readConfig({ SLICEFEED_LOG_LEVEL: 'warn', ...process.env }, options);
      if (config.data === '')
        throw new WrongUse('report needs a data folder: --data FOLDER or SLICEFEED_DATA');
      const { printReport } = await import('./report.js');
      await printReport(config, flags.has('json'));
    },
  },
  health: {
    summary: 'checks whether the service with these settings answers, for supervisors: exit code 0 or 1',
    usage: 'slicefeed health [--ready]',
    settings: ['HOST', 'PORT', 'TLS_CERT', 'TLS_KEY'],
    flags: { ready: 'asks /readyz, which tells whether it can serve, instead of /livez' },
    async run(options, { flags }) {
      const config = readConfig(process.env, options);
      if (config.port === 0)
        throw new WrongUse('health needs the port of the service: --port or SLICEFEED_PORT');
      const { askHealth, ownUrl } = await import('./health.js');
      const url = ownUrl(config, flags.has('ready') ? '/readyz' : '/livez');
      const { status, said } = await askHealth(url);
      if (status !== 200) throw new Error(`${url}: ${status ?? 'no answer'} ${said}`);
      console.log(`${url}: ${status}`);
    },
  },
  backup: {
    summary: 'copies a state folder with its uploaded studies, also while a service uses it',
    usage: 'slicefeed backup FOLDER [--state FOLDER | --data FOLDER]',
    settings: ['STATE', 'DATA'],
    operand: 'FOLDER',
    async run(options, { operand }) {
      const state = stateOf(options);
      process.umask(0o077);
      const { backUp } = await import('./backup/backup.js');
      console.log(`${operand} is a backup of ${state}. ${summaryOf(await backUp(state, operand))}`);
    },
  },
  restore: {
    summary: 'makes a state folder from a backup',
    usage: 'slicefeed restore FOLDER [--state FOLDER | --data FOLDER]',
    settings: ['STATE', 'DATA'],
    operand: 'FOLDER',
    async run(options, { operand }) {
      const state = stateOf(options);
      process.umask(0o077);
      const { restore } = await import('./backup/restore.js');
      const { damaged, ...summary } = await restore(operand, state);
      console.log(`${state} is restored from ${operand}. ${summaryOf(summary)}`);
      for (const study of damaged)
        console.error(
          `${study}: its files are not those that were sent: delete the study and upload it again`,
        );
      if (damaged.length > 0) process.exitCode = 1;
    },
  },
  push: {
    summary: 'uploads a folder to a service, study by study',
    usage: 'slicefeed push FOLDER --to URL [--token-file FILE] [--ca FILE] [--id ID]',
    settings: [],
    operand: 'FOLDER',
    own: {
      to: 'where the service is, for example http://127.0.0.1:8080',
      'token-file': 'a file with the token; without it SLICEFEED_TOKEN',
      ca: 'a PEM file with the certificate of the authority that signed the certificate of the service',
      id: 'the id of the study, where the folder is one; default: the name of its folder',
    },
    async run(_, { operand, values: { to, id = null, ca, 'token-file': tokenFile } }) {
      const { isId } = await import('./core/ids.js');
      const { serviceAt, unanswered } = await import('./push/service-at.js');
      const service = serviceAt(to, tokenFile, ca);
      if (id !== null && !isId(id)) throw new WrongUse('--id takes 1 to 64 of A-Z a-z 0-9 . _ -');
      if (!statSync(operand, { throwIfNoEntry: false })?.isDirectory())
        throw new WrongUse(`there is no folder ${operand}`);
      const config = readConfig(process.env, {});
      const { push } = await import('./push/push.js');
      try {
        process.exitCode = (await push({ folder: resolve(operand), to: service, id, config })) ? 0 : 1;
      } catch (error) {
        throw new Error(unanswered(error as NodeJS.ErrnoException, service.url));
      }
    },
  },
};

/** The state folder for a command: the named one, or the one of a data folder. */
function stateOf(options: Partial<Record<SettingName, string>>): string {
  const { data, state } = readConfig(process.env, options);
  const isNamed = options.STATE !== undefined || Boolean(process.env.SLICEFEED_STATE) || data !== '';
  if (!isNamed) throw new WrongUse('name the state folder with --state, or its data folder with --data');
  return state;
}

function summaryOf({ sessions, uploadedStudies, bytes }: BackupSummary): string {
  return `sessions: ${sessions}, uploaded studies: ${uploadedStudies} (${(bytes / 1e6).toFixed(1)} MB)`;
}

function optionName(setting: SettingName): string {
  return setting.toLowerCase().replaceAll('_', '-');
}

function overview(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(8)}${summary}`);
  return [
    `slicefeed ${VERSION}: training batches of medical images and masks over HTTP`,
    '',
    'Usage: slicefeed <command> [options]',
    '',
    ...rows,
    '',
    '"slicefeed <command> --help" tells the options; README.md has the rest.',
  ].join('\n');
}

const SIZES = 'Sizes are written 512MiB, 512m or 2g (powers of 1024).';

function help(command: Command): string {
  const properties = Settings.properties as unknown as Record<
    SettingName,
    { description: string; default: unknown }
  >;
  const rows = command.settings.map((setting) => {
    const { description, default: fallback } = properties[setting];
    const ending = fallback === '' || fallback === 0 || fallback === '0' ? '' : ` (${fallback})`;
    const text = description
      .replaceAll('`', '')
      .replace(/\bSLICEFEED_([A-Z_]+)\b/g, (_, name: SettingName) => `--${optionName(name)}`);
    return `  --${optionName(setting).padEnd(22)}${text}${ending}`;
  });
  const own = Object.entries({ ...command.own, ...command.flags }).map(
    ([name, text]) => `  --${name.padEnd(22)}${text}`,
  );
  return [
    `${command.summary}`,
    '',
    `Usage: ${command.usage}`,
    ...(own.length > 0 ? ['', ...own] : []),
    ...(rows.length > 0
      ? ['', ...rows, '', 'Each is also a setting SLICEFEED_NAME in the environment; an option wins.', SIZES]
      : []),
  ].join('\n');
}

function readOptions(
  command: Command,
  args: string[],
): { settings: Partial<Record<SettingName, string>>; own: OwnOptions } | 'help' {
  const names = [...command.settings.map(optionName), ...Object.keys(command.own ?? {})];
  const options = {
    ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    ...Object.fromEntries(
      Object.keys(command.flags ?? {}).map((name) => [name, { type: 'boolean' as const }]),
    ),
  };
  const { values, positionals } = (() => {
    try {
      return parseArgs({
        args,
        options: { ...options, help: { type: 'boolean', short: 'h' } },
        strict: true,
        allowPositionals: command.operand !== undefined,
      });
    } catch (error) {
      throw new WrongUse(`${(error as Error).message.split('. ')[0]}\nUsage: ${command.usage}`);
    }
  })();
  if (values.help) return 'help';
  const operands = command.operand === undefined ? 0 : 1;
  if (positionals.length !== operands)
    throw new WrongUse(`one ${command.operand} is needed\nUsage: ${command.usage}`);
  const given: Partial<Record<SettingName, string>> = {};
  for (const setting of command.settings) {
    const value = (values as Record<string, unknown>)[optionName(setting)];
    if (typeof value === 'string') given[setting] = value;
  }
  const own = Object.keys(command.own ?? {}).flatMap((name) => {
    const value = (values as Record<string, unknown>)[name];
    return typeof value === 'string' ? [[name, value]] : [];
  });
  const flags = new Set(Object.keys(command.flags ?? {}).filter((name) => name in values));
  const told = { operand: positionals[0] ?? '', values: Object.fromEntries(own), flags };
  return { settings: given, own: told };
}

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    console.log(overview());
    if (name === undefined) process.exitCode = 2;
    return;
  }
  if (name === '--version' || name === '-v') {
    console.log(VERSION);
    return;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new WrongUse(`there is no command "${name}"\n\n${overview()}`);
  const options = readOptions(command, args);
  if (options === 'help') console.log(help(command));
  else await command.run(options.settings, options.own);
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(`slicefeed: ${error.message}`);
  process.exit(error instanceof WrongUse || error instanceof ConfigError ? 2 : 1);
});
