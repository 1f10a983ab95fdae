import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runTrial, type TrialOptions, type TrialResult } from './trial.js';

// Reads batches for as long as one likes while loaders and service are killed. Prints a table; exits 1 where anything differs.

const SETTINGS = {
  batches: ['10000', 'bodies to be read over all sessions and ranks, at least'],
  seconds: ['3600', 'time after which only begun epochs are read to their ends'],
  sessions: ['4', 'sessions'],
  world: ['2', 'ranks of each session'],
  loaders: ['2', 'loader processes'],
  'loader-kill-ms': ['1000', 'milliseconds from one killed loader to the next'],
  'service-kill-batches': ['1000', 'bodies from one kill of the service to the next'],
  seed: ['0', 'of the phantom and of who reads how and dies when'],
} as const;

type Setting = keyof typeof SETTINGS;

function usage(): string {
  const rows = Object.entries(SETTINGS).map(
    ([name, [fallback, words]]) => `  --${name.padEnd(22)}${words} (${fallback})`,
  );
  return ['Usage: node dist/test/soak/soak.js [options]', '', ...rows, ''].join('\n');
}

function readOptions(): TrialOptions {
  const options = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, [fallback]]) => [
      name,
      { type: 'string' as const, default: fallback },
    ]),
  );
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', default: false } } });
  if (values.help) {
    process.stdout.write(usage());
    process.exit(0);
  }
  const numberOf = (name: Setting, least: number) => {
    const value = Number((values as Record<string, unknown>)[name]);
    if (!Number.isInteger(value) || value < least)
      throw new RangeError(
        `--${name} is a whole number from ${least} on, not ${(values as Record<string, unknown>)[name]}`,
      );
    return value;
  };
  return {
    batches: numberOf('batches', 1),
    seconds: numberOf('seconds', 1),
    sessions: numberOf('sessions', 1),
    world: numberOf('world', 1),
    loaders: numberOf('loaders', 1),
    loaderKillMs: numberOf('loader-kill-ms', 1),
    serviceKillBatches: numberOf('service-kill-batches', 1),
    seed: numberOf('seed', 0),
  };
}

function table(result: TrialResult): string {
  const head = ['session', 'pairs', 'steps', 'epochs', 'lost', '503', 'longest ms', 'missing', 'repeated'];
  const rows = result.sessions.map((one) =>
    [
      one.session,
      one.pairs,
      one.steps,
      one.epochs,
      one.lost,
      one.busy,
      Math.round(one.longestMs),
      one.missing,
      one.repeated,
    ].map(String),
  );
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: readonly string[]) => cells.map((cell, at) => cell.padStart(widths[at]!)).join('  ');
  return [
    line(head),
    ...rows.map(line),
    '',
    `${result.bodies} bodies in ${result.seconds.toFixed(1)} s, ${result.compared} compared with an undisturbed run;`,
    `${result.loaderKills} loaders and ${result.serviceKills} services killed; ${result.differences} differences`,
    ...result.told.map((words) => `DIFFERS  ${words}`),
    '',
  ].join('\n');
}

async function main(): Promise<void> {
  const options = readOptions();
  const folder = mkdtempSync(join(tmpdir(), 'slicefeed-soak-'));
  try {
    const result = await runTrial(
      folder,
      options,
      ({ bodies, target, loaderKills, serviceKills, differences }) => {
        process.stderr.write(
          `${bodies} of about ${target} bodies, ${loaderKills} loaders and ${serviceKills} services killed, ${differences} differences\n`,
        );
      },
    );
    process.stdout.write(table(result));
    process.exitCode = result.differences === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error: Error) => {
  process.stderr.write(`soak: ${error.message}\n`);
  process.exit(error instanceof RangeError || error.name === 'TypeError' ? 2 : 1);
});
