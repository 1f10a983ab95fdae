import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Debian's own: the peers are its packages, which another python on the PATH doesn't see. */
export const PYTHON = '/usr/bin/python3';

/** Runs a script with `args` as `sys.argv[1:]` and gives what it printed; rejects with its stderr when it fails. */
export async function python(script: string, ...args: string[]): Promise<string> {
  const options = { maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', script, ...args], options);
  return stdout;
}

/** Whether the module can be imported; false as well where there is no Python. */
export function hasPython(module: string): boolean {
  return spawnSync(PYTHON, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
}

/**
 * For a test's `skip`: the words that name what is missing, else false. In CI (`CI=true`) always false,
 * so that a peer that should have been installed fails the test.
 */
export function withoutPython(module: string, debianPackage: string): string | false {
  if (process.env.CI === 'true' || hasPython(module)) return false;
  return `Python's ${module} is missing: apt-get install ${debianPackage}`;
}
