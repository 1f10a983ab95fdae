import { readdirSync } from 'node:fs';
import t from 'tap';

/** Runs the tests of folders beside this file in one process: to start one for each costs more than most of them. */
export async function runTogether(...folders: readonly string[]): Promise<void> {
  await runFiles(
    folders.flatMap((folder) =>
      readdirSync(new URL(`./${folder}/`, import.meta.url))
        .sort()
        .filter((name) => name.endsWith('.test.js'))
        .map((name) => new URL(`./${folder}/${name}`, import.meta.url)),
    ),
  );
}

/**
 * Runs files of tests one after the other. A file is read while the tests of the one before run, and what it starts may take longer than those: a test in
 * between waits for it, since tap ends, and tears down what was started, where it has nothing to do for a moment. A file that itself waited for a test of its own
 * before it is read would wait for ever.
 */
export async function runFiles(files: readonly URL[]): Promise<void> {
  for (const file of files) {
    const read = import(file.href);
    t.test(`${file.pathname.split('/').slice(-2).join('/')} is read`, async () => {
      await read;
    });
    await read;
  }
}
