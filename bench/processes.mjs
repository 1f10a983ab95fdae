import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Debian's own: the peers are its packages, which another python on the PATH doesn't see. */
export const PYTHON = process.env.PYTHON ?? '/usr/bin/python3';

/** The path of a file beside this one. @param {string} name */
export function beside(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a process that ends with this one; its stderr goes where ours goes unless said otherwise. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** A process that answers each JSON line with one: `ask` waits for the answer, `end` for its exit. */
export class Lines {
  #child;
  #answers;

  constructor(command, args, options = {}) {
    this.#child = start(command, args, options);
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  static python(script, ...args) {
    return new Lines(PYTHON, [beside(script), ...args]);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Its next line. Throws when it ended instead. */
  async next() {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('a helper of the benchmark ended early; what it said is above');
    return JSON.parse(value);
  }

  async ask(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    return this.next();
  }

  /** Waits until it has ended by itself. */
  async ended() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  async end() {
    this.#child.stdin.end();
    this.#child.kill('SIGTERM');
    await this.ended();
  }
}

/** Runs a script of this folder with node and gives the JSON that it prints. */
export async function runNode(script, ...args) {
  const lines = new Lines(process.execPath, [beside(script), ...args.map(String)]);
  const answer = await lines.next();
  await lines.ended();
  return answer;
}
