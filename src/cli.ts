#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { ConfigError, readConfig, type SettingName, Settings } from './config.js';
import { VERSION } from './version.js';

/** Told to the person who typed; exit code 2. */
class WrongUse extends Error {}

interface Command {
  readonly summary: string;
  readonly usage: string;
  /** The settings that are options of this command. */
  readonly settings: readonly SettingName[];
  run(options: Partial<Record<SettingName, string>>): Promise<void>;
}

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
};

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

function help(command: Command): string {
  const properties = Settings.properties as unknown as Record<
    SettingName,
    { description: string; default: unknown }
  >;
  const rows = command.settings.map((setting) => {
    const { description, default: fallback } = properties[setting];
    const ending = fallback === '' || fallback === 0 || fallback === '0' ? '' : ` (${fallback})`;
    return `  --${optionName(setting).padEnd(22)}${description.replaceAll('`', '')}${ending}`;
  });
  return [
    `${command.summary}`,
    '',
    `Usage: ${command.usage}`,
    ...(rows.length > 0
      ? ['', ...rows, '', 'Each is also a setting SLICEFEED_NAME in the environment; an option wins.']
      : []),
  ].join('\n');
}

function readOptions(command: Command, args: string[]): Partial<Record<SettingName, string>> | 'help' {
  const options = Object.fromEntries(
    command.settings.map((setting) => [optionName(setting), { type: 'string' as const }]),
  );
  const { values } = (() => {
    try {
      return parseArgs({
        args,
        options: { ...options, help: { type: 'boolean', short: 'h' } },
        strict: true,
      });
    } catch (error) {
      throw new WrongUse(`${(error as Error).message.split('. ')[0]}\nUsage: ${command.usage}`);
    }
  })();
  if (values.help) return 'help';
  const given: Partial<Record<SettingName, string>> = {};
  for (const setting of command.settings) {
    const value = (values as Record<string, unknown>)[optionName(setting)];
    if (typeof value === 'string') given[setting] = value;
  }
  return given;
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
  else await command.run(options);
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(`slicefeed: ${error.message}`);
  process.exit(error instanceof WrongUse || error instanceof ConfigError ? 2 : 1);
});
