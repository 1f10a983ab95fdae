import { readdirSync } from 'node:fs';

/** Runs the tests of folders beside this file in one process: to start one for each costs more than most of them. */
export async function runTogether(...folders: readonly string[]): Promise<void> {
  for (const folder of folders)
    for (const name of readdirSync(new URL(`./${folder}/`, import.meta.url)).sort())
      if (name.endsWith('.test.js')) await import(`./${folder}/${name}`);
}
